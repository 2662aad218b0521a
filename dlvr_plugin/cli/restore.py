"""``dlvr restore``: restore videos and folders of frames by a trained network."""

import argparse
import math
import sys
from fractions import Fraction
from pathlib import Path

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.clips.video_files import VIDEO_SUFFIXES
from dlvr_plugin.clips.video_writer import Quality
from dlvr_plugin.core.checkpoints import description_in, read_checkpoint
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.options.yaml_reader import read_file
from dlvr_plugin.report.preview_page import write_preview_page
from dlvr_plugin.restoration.engine import EngineOptions
from dlvr_plugin.restoration.find_sources import find_sources
from dlvr_plugin.restoration.frame_sources import FrameSource
from dlvr_plugin.restoration.load_model import load_generator
from dlvr_plugin.restoration.model_choice import find_model
from dlvr_plugin.restoration.planning import parse_position
from dlvr_plugin.restoration.preview import write_preview
from dlvr_plugin.restoration.restore_video import RestoreOptions, VideoRestoration, restore_video
from dlvr_plugin.restoration.results import Targets
from dlvr_plugin.restoration.video_segments import VideoOptions
from dlvr_plugin.restoration.workers import Model

_WRITABLE = ('.mp4', '.mkv', '.mov')


def run(args: argparse.Namespace) -> int:
    """Restore all inputs, one after the other.

    Raises:
        UserError: Arguments or data that cannot be used. OSError: A result cannot be written.
    """
    keep_freed_memory()
    options, devices, share = _options(args), _devices(args.devices), _share(args.share)
    frame_rate = _frame_rate(args.fps)
    model_file = find_model(args.model)
    network = _network_of(args.opt or _option_file_of(model_file))
    model = Model(model_file, network, load_generator(model_file, network=network))
    sources = find_sources(
        args.inputs, frame_rate=frame_rate, deinterlace=args.deinterlace, allow_cut=args.allow_cut_videos
    )
    spec = model.generator.spec
    factor = options.outscale or (spec.scale if spec is not None else None) or 1
    ending = '_restored' if factor == 1 else f'_x{factor:g}'
    targets = [_targets(source, args.out, args.write, ending, is_one=len(sources) == 1) for source in sources]
    for source, target in zip(sources, targets, strict=True):
        if args.preview is not None:
            frames = write_preview(source, target, options, model, device=devices[0], count=args.preview)
            page = write_preview_page(frames, title=f'{source.path.name}, restored by {model_file.name}')
            sys.stdout.write(f'{page}: before and after. Pictures: {", ".join(frame.both.name for frame in frames)}.\n')
            continue
        job = VideoRestoration(source=source, targets=target, options=options, replaces=args.force)
        try:
            summary = restore_video(job, model, devices=devices, share=share)
        except KeyboardInterrupt:
            get_root_logger().warning(f'{target.first}: what is done is kept. Give the same command again to go on.')
            raise
        sys.stdout.write(summary)
    return 0


def _options(args: argparse.Namespace) -> RestoreOptions:
    if args.outscale is not None and not (math.isfinite(args.outscale) and 0 < args.outscale <= 16):
        raise InvalidValueError(f'--outscale must be above 0 and at most 16, got {args.outscale}.')
    if not (math.isfinite(args.scene_threshold) and args.scene_threshold >= 0):
        raise InvalidValueError(f'--scene-threshold must be at least 0, got {args.scene_threshold}.')
    for name in ('segment', 'preview', 'chunk'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InvalidValueError(f'--{name} must be at least 1, got {getattr(args, name)}.')
    for name in ('chunk_overlap', 'tile_overlap'):
        if getattr(args, name) is not None and getattr(args, name) < 0:
            raise InvalidValueError(f'--{name.replace("_", "-")} must be at least 0, got {getattr(args, name)}.')
    if args.tile != 'auto' and not (args.tile.isascii() and args.tile.isdigit()):
        raise InvalidValueError(f'--tile must be auto, 0, or a number of pixels, got {args.tile!r}.')
    engine = EngineOptions(
        bf16=args.bf16,
        compiled=args.compile,
        padding=args.padding,
        chunk_frames=args.chunk,
        chunk_overlap=args.chunk_overlap,
    )
    return RestoreOptions(
        engine=engine,
        tile=None if args.tile == 'auto' else int(args.tile),
        tile_overlap=args.tile_overlap,
        start=parse_position(args.start) if args.start is not None else None,
        end=parse_position(args.end) if args.end is not None else None,
        scene_threshold=args.scene_threshold,
        outscale=args.outscale,
        frame_bits=args.bits,
        segment_frames=args.segment,
        video=VideoOptions(codec=args.codec, quality=_quality(args.quality), pixel_format=args.pixel_format),
    )


def _quality(text: str | None) -> Quality | None:
    if text is None or text == 'lossless':
        return text  # type: ignore[return-value]  # mypy takes it for any text
    try:
        return float(text)
    except ValueError as error:
        raise InvalidValueError(f'--quality takes a number or lossless, got {text!r}.') from error


def _devices(text: str | None) -> list[str]:
    if text is None:
        return ['cuda' if torch.cuda.is_available() else 'cpu']
    names = text.split(',')
    for name in names:
        kind, _, number = name.partition(':')
        if kind not in ('cpu', 'cuda') or (
            ':' in name and not (kind == 'cuda' and number.isascii() and number.isdigit())
        ):
            raise InvalidValueError(f'--devices takes cpu, cuda or cuda:N, with commas between several, got {name!r}.')
        if kind == 'cuda' and int(number or 0) >= torch.cuda.device_count():
            raise InvalidValueError(f'--devices {name}: there are {torch.cuda.device_count()} GPUs here.')
    return names


def _share(text: str | None) -> tuple[int, int]:
    """Return the number of a part from 0, and the number of parts."""
    if text is None:
        return 0, 1
    number, _, count = text.partition('/')
    if not (number.isascii() and number.isdigit() and count.isascii() and count.isdigit()):
        raise InvalidValueError(f'--share takes I/N, such as 1/2 and 2/2, got {text!r}.')
    if not 1 <= int(number) <= int(count):
        raise InvalidValueError(f'--share {text}: the first number must be 1 to {count}.')
    return int(number) - 1, int(count)


def _frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidValueError(f'--fps takes a number such as 24, 29.97 or 30000/1001, got {text!r}.') from error
    if not 0 < rate <= 1000:
        raise InvalidValueError(f'--fps must be above 0 and at most 1000, got {text}.')
    return rate


def _option_file_of(model: Path) -> Path | None:
    """Return the option file beside a checkpoint that does not say what it holds: of its name, or that of its run."""
    if description_in(read_checkpoint(model), model) is not None:
        return None
    own = model.with_suffix('.yml')
    of_run = sorted(model.absolute().parent.parent.glob('*.yml')) if model.absolute().parent.name == 'models' else []
    return own if own.is_file() else of_run[0] if len(of_run) == 1 else None


def _network_of(file: Path | None) -> dict[str, object] | None:
    if file is None:
        return None
    network = read_file(file).value.get('network_g')
    if not isinstance(network, dict) or 'type' not in network:
        raise InvalidValueError(f'{file} has no section network_g with a type. Give the option file of the training.')
    return network


def _targets(source: FrameSource, out: Path | None, write: str | None, ending: str, *, is_one: bool) -> Targets:
    """Return where the results of an input go; without ``out`` beside it, under its name with an ending."""
    suffix = out.suffix.lower() if out is not None and is_one else ''
    if out is not None and not is_one and out.suffix.lower() in VIDEO_SUFFIXES:
        raise InvalidValueError(f'{out}: of several inputs, -o names the folder of all results, not a video.')
    if suffix and suffix in VIDEO_SUFFIXES and suffix not in _WRITABLE:
        raise InvalidValueError(f'{out}: videos are written as {", ".join(_WRITABLE)}.')
    names_video = suffix in _WRITABLE
    if out is None:
        base = source.path.with_name(f'{source.path.stem if source.info else source.name}{ending}')
    elif is_one:
        base = out.with_suffix('') if names_video else out
    else:
        base = out / source.name
    if write is None:
        is_video = names_video or (source.info is not None and (out is None or not is_one))
        write = 'video' if is_video else 'frames'
    if not names_video:
        own = source.path.suffix.lower()
        suffix = own if source.info and own in _WRITABLE else '.mp4'
    video = base.with_name(base.name + suffix) if write in ('video', 'both') else None
    return Targets(video, base if write in ('frames', 'both') else None)
