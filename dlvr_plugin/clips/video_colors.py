"""Colours of video: Y'CbCr to R'G'B' and back, exactly, by numbers of 16 bits.

libswscale is not used for this: with 16-bit output it lies 0.36 of 255 too low on average and 1.0 at most, and its
8 bits of full-range 10-bit video 1.2 of 255 at most (libswscale 9.5, against the formulas in 64 bits).
"""

import cv2
import numpy as np

LUMA_WEIGHTS: dict[str, tuple[float, float]] = {
    'bt709': (0.2126, 0.0722),
    'fcc': (0.30, 0.11),
    'bt470bg': (0.299, 0.114),
    'smpte170m': (0.299, 0.114),
    'smpte240m': (0.212, 0.087),
    'bt2020nc': (0.2627, 0.0593),
}
"""Weights of red and blue in luma, by the name that FFmpeg gives a matrix. Source: ITU-T H.273, table 4."""


def yuv_to_rgb(yuv: np.ndarray, *, matrix: str, is_full_range: bool, bit_depth: int, num_bits: int) -> np.ndarray:
    """Convert Y'CbCr to R'G'B'.

    Args:
        yuv: (h, w, 3), uint16; codes of ``bit_depth`` bits in the upper bits, fractions of them below.
        matrix: One of ``LUMA_WEIGHTS``.
        is_full_range: Whether the codes use their whole range.
        bit_depth: Bits of a code.
        num_bits: 8 or 16, of the result.

    Returns:
        RGB (h, w, 3), uint8 or uint16, over the whole range, rounded.

    Source: ITU-T H.273, equations 23 to 49, solved for R'G'B'.
    """
    to_rgb = np.linalg.inv(_to_yuv(matrix))
    luma, offset, chroma = _code_ranges(is_full_range, bit_depth)
    most = 2**num_bits - 1
    scaled = to_rgb / np.array([luma, chroma, chroma]) * most
    shift = -scaled @ np.array([offset, 2.0**15, 2.0**15])
    return _rounded(_transform(yuv, scaled, shift), num_bits)


def rgb_to_yuv(rgb: np.ndarray, *, matrix: str, is_full_range: bool, bit_depth: int) -> np.ndarray:
    """Convert R'G'B' to Y'CbCr, the inverse of ``yuv_to_rgb``.

    Args:
        rgb: (h, w, 3): uint8, uint16, or float in [0, 1]; what lies beyond is cut off.
        matrix: One of ``LUMA_WEIGHTS``.
        is_full_range: Whether codes shall use their whole range.
        bit_depth: Bits of a code.

    Returns:
        (h, w, 3), uint16; codes of ``bit_depth`` bits in the upper bits, fractions of them below.
    """
    if np.issubdtype(rgb.dtype, np.floating):
        rgb, most = rgb.clip(0, 1), 1
    else:
        most = np.iinfo(rgb.dtype).max
    luma, offset, chroma = _code_ranges(is_full_range, bit_depth)
    scaled = _to_yuv(matrix) * np.array([[luma], [chroma], [chroma]]) / most
    return _rounded(_transform(rgb, scaled, np.array([offset, 2.0**15, 2.0**15])), 16)


def round_codes(fine: np.ndarray, bit_depth: int) -> np.ndarray:
    """Round 16-bit numbers to codes of ``bit_depth`` bits, uint8 or uint16.

    >>> round_codes(np.array([127, 128, 65535], np.uint16), 8).tolist()
    [0, 1, 255]
    """
    shift = 16 - bit_depth
    if shift:
        half = 1 << (shift - 1)
        fine = np.minimum(fine, 2**16 - 1 - half)  # the largest code has nothing to be rounded to
        fine = (fine + np.uint16(half)) >> shift
    return fine.astype(np.uint8 if bit_depth <= 8 else np.uint16)


def spread_codes(codes: np.ndarray, bit_depth: int, num_bits: int) -> np.ndarray:
    """Spread full-range codes of ``bit_depth`` bits over all numbers of 8 or 16 bits.

    >>> spread_codes(np.array([0, 1023], np.uint16), 10, 16).tolist()
    [0, 65535]
    """
    if bit_depth == num_bits:
        return codes
    return _rounded(codes.astype(np.float32) * ((2**num_bits - 1) / (2**bit_depth - 1)), num_bits)


def _to_yuv(matrix: str) -> np.ndarray:
    """Return the matrix from R'G'B' in [0, 1] to luma in [0, 1] and colour differences in [-0.5, 0.5]."""
    red, blue = LUMA_WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack(
        [luma, (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)), (np.array([1, 0, 0]) - luma) / (2 * (1 - red))]
    )


def _code_ranges(is_full_range: bool, bit_depth: int) -> tuple[float, float, float]:
    """Return what luma spans, where it begins, and what chroma spans, in numbers of 16 bits."""
    if is_full_range:
        span = float((2**bit_depth - 1) << (16 - bit_depth))
        return span, 0.0, span
    return 219 * 2.0**8, 16 * 2.0**8, 224 * 2.0**8


def _transform(image: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    single = image.astype(np.float32, copy=False)
    return cv2.transform(single, np.column_stack([matrix, shift]).astype(np.float32))


def _rounded(values: np.ndarray, num_bits: int) -> np.ndarray:
    np.rint(values, out=values)
    np.clip(values, 0, 2**num_bits - 1, out=values)
    return values.astype(np.uint8 if num_bits == 8 else np.uint16)
