"""``dlvr export --onnx``: a network as an ONNX file, and a script for VapourSynth beside it."""

import argparse
import sys
from importlib.resources import files

from dlvr_plugin import host
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.restoration.load_model import load_generator
from dlvr_plugin.restoration.onnx_check import check_graph, import_onnx, with_metadata
from dlvr_plugin.restoration.onnx_graph import OnnxStep, build_graph, check_size, find_layouts, metadata_of


def run(args: argparse.Namespace) -> None:
    """Write both files, and say how the network is called.

    Raises:
        CheckpointError: The checkpoint cannot be read, or the network cannot be exported. InvalidValueError: Arguments
            that do not go together. OSError: A file exists.
    """
    if args.onnx.suffix != '.onnx':
        raise InvalidValueError(f'{args.onnx} must end in .onnx.')
    if args.half:
        raise InvalidValueError('--half goes with a safetensors file. Tools that run ONNX files convert them.')
    script = args.onnx.with_suffix('.vpy')
    for path in (args.onnx, script):
        if path.exists() and not args.force:
            raise FileExistsError(f'{path} exists already. Choose another name, or replace it with --force.')
    import_onnx()
    host.apply()  # deformable convolutions by operators that ONNX has
    loaded = load_generator(args.checkpoint, param_key=args.param_key)
    step = OnnxStep(loaded)
    sizes = [args.size] if args.size else [step.traced_at(), step.other_size()]
    if args.size:
        check_size(step.spec, args.size)
    layouts = find_layouts(step, sizes)
    facts = {**metadata_of(step, loaded, layouts), 'source': args.checkpoint.name}
    content = with_metadata(build_graph(step, args.size), facts)
    difference = check_graph(step, content, sizes)
    write_atomic(args.onnx, content)
    write_atomic(script, (files('dlvr_plugin.restoration') / 'templates' / 'restore.vpy').read_bytes())
    size = f'{args.size[0]}x{args.size[1]}' if args.size else 'any size'
    sys.stdout.write(
        f'{args.onnx}: {step.spec.arch} for frames of {size}, {", ".join(step.input_names)} -> '
        f'{", ".join(step.output_names)}. Largest difference from torch {difference:.1e}.\n'
        f'{script}: restores a video with it in VapourSynth.\n'
    )
