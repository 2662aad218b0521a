"""Farneback's dense optical flow, fast for sequences: a frame is expanded once for both flows that it takes part in."""

import functools
from collections.abc import Iterator

import cv2
import numpy as np

# The parameters of tOF, in the names of cv2.calcOpticalFlowFarneback.
_PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS, _POLY_N, _POLY_SIGMA = 0.5, 3, 15, 3, 5, 1.2

_MIN_SIDE = 32  # pixels of the smallest level of the pyramid
_REGULARIZATION = np.float32(1e-3)  # keeps the determinant from zero
_BORDER_WEIGHTS = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)  # from the border inwards

Expansion = list[np.ndarray]


def expand_frame(grey: np.ndarray) -> Expansion:
    """Expand a frame into polynomials, the work that its two flows share.

    Args:
        grey: Image (h, w), uint8.

    Returns:
        For each level of the pyramid, the finest first, the coefficients (5, h_level, w_level) of the quadratic
        polynomial around every pixel: y, x, yy, xx by 1/2, xy by 1/4.
    """
    image, levels = grey.astype(np.float32), []
    for scale, height, width in _pyramid(*grey.shape):
        sigma = (1 / scale - 1) / 2
        size = max(round(5 * sigma) | 1, 3)
        level = cv2.GaussianBlur(image, (size, size), sigma, sigmaY=sigma)
        if scale != 1:
            level = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        levels.append(_expand_level(level))
    return levels


class FlowSolver:
    """Computes the flow between expanded frames, in memory that it keeps: fresh pages would cost more than the work.

    One thread at a time may use it.
    """

    def __init__(self) -> None:
        self._levels: dict[tuple[int, int], _Level] = {}

    def flow_between(self, previous: Expansion, current: Expansion) -> np.ndarray:
        """Compute the flow between two expanded frames.

        Returns:
            Flow (h, w, 2), x and y, in pixels, float32: where a pixel of the previous frame has gone.
        """
        flow: list[np.ndarray] | None = None
        for first, second in reversed(list(zip(previous, current, strict=True))):
            height, width = first.shape[1:]
            level = self._levels.setdefault((height, width), _Level(height, width))
            if flow is None:
                level.flow[:] = 0
            else:
                for part, coarse in zip(level.flow, flow, strict=True):
                    cv2.resize(coarse, (width, height), dst=part, interpolation=cv2.INTER_LINEAR)
                    part /= _PYR_SCALE
            cv2.merge(list(second[:4]), dst=level.by_pixel)
            for _ in range(_ITERATIONS):
                level.update_flow(first, second[4])
            flow = list(level.flow)
        assert flow is not None
        return cv2.merge(flow)


class FlowTracker:
    """Computes the flow from frame to frame of a sequence.

    One thread at a time may use it.

    Source: Farneback, Two-frame motion estimation based on polynomial expansion; equal to
        ``cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0)`` up to float32 rounding.
    """

    def __init__(self) -> None:
        self._solver = FlowSolver()
        self._last_expansion: Expansion | None = None
        self._last_grey: np.ndarray | None = None

    def push(self, grey: np.ndarray) -> np.ndarray | None:
        """Go on to the next frame, an image (h, w), uint8.

        Returns:
            Flow (h, w, 2), x and y, in pixels, float32, from the frame before; None for the first.
        """
        if _remap_is_exact():
            last, self._last_expansion = self._last_expansion, expand_frame(grey)
            return None if last is None else self._solver.flow_between(last, self._last_expansion)
        last_grey, self._last_grey = self._last_grey, grey
        if last_grey is None:
            return None
        flow = np.empty((*grey.shape, 2), np.float32)
        return np.asarray(
            cv2.calcOpticalFlowFarneback(
                last_grey, grey, flow, _PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS, _POLY_N, _POLY_SIGMA, 0
            )
        )


def farneback_flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return the flow (h, w, 2) between two frames (h, w), grey, uint8; see ``FlowTracker``."""
    tracker = FlowTracker()
    tracker.push(previous)
    flow = tracker.push(current)
    assert flow is not None
    return flow


@functools.cache
def _remap_is_exact() -> bool:
    """Tell whether this OpenCV interpolates at any place; older ones round it to 1/32 of a pixel."""
    ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    x, y = np.full((2, 64, 64), 30.01, np.float32)
    return bool(np.allclose(cv2.remap(ramp, x, y, cv2.INTER_LINEAR), 30.01, atol=1e-4))


def _pyramid(height: int, width: int) -> Iterator[tuple[float, int, int]]:
    """Yield scale, height and width of each level, the finest first."""
    for level in range(_LEVELS + 1):
        scale = _PYR_SCALE**level
        if level and min(height, width) * scale < _MIN_SIDE:
            return
        yield scale, round(height * scale), round(width * scale)


@functools.cache
def _polynomial_basis() -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float, float, float]]:
    """Return the weights g, x g and x^2 g over the neighbourhood, and factors from the inverse Gram matrix."""
    x = np.arange(-_POLY_N, _POLY_N + 1, dtype=np.float64)
    g = np.exp(-(x**2) / (2 * _POLY_SIGMA**2))
    g /= g.sum()
    # The Gram matrix of 1, y, x, yy, xx, xy under the weights: its entries are moments of g.
    m2, m4 = float((g * x**2).sum()), float((g * x**4).sum())
    gram = np.diag([1, m2, m2, m4, m4, m2 * m2])
    gram[0, 3:5] = gram[3:5, 0] = m2
    gram[3, 4] = gram[4, 3] = m2 * m2
    inverse = np.linalg.inv(gram)
    # With these factors the mean of two frames' second-order terms, and half the difference of their linear ones, are
    # a plain sum and a plain difference; the mixed term occurs twice in the form's matrix.
    entries = (inverse[1, 1] / 2, inverse[0, 3] / 2, inverse[3, 3] / 2, inverse[5, 5] / 4)
    return g.astype(np.float32), (x * g).astype(np.float32), (x**2 * g).astype(np.float32), entries


def _expand_level(image: np.ndarray) -> np.ndarray:
    """Return the coefficients (5, h, w) of an image (h, w), float32."""
    g, xg, xxg, (linear, mixed, square, product) = _polynomial_basis()

    def correlate(along_x: np.ndarray, along_y: np.ndarray, factor: float) -> np.ndarray:
        return cv2.sepFilter2D(
            image, cv2.CV_32F, along_x * np.float32(factor), along_y, borderType=cv2.BORDER_REPLICATE
        )

    mean = correlate(g, g, mixed)
    return np.stack(
        (
            correlate(g, xg, linear),
            correlate(xg, g, linear),
            correlate(g, xxg, square) + mean,
            correlate(xxg, g, square) + mean,
            correlate(xg, xg, product),
        )
    )


class _Level:
    """The flow at one level of the pyramid, and memory to compute it in.

    Attributes:
        flow: x and y, (2, h, w).
        by_pixel: Coefficients y, x, yy, xx of the second frame, (h, w, 4): one look-up warps four.
    """

    def __init__(self, height: int, width: int) -> None:
        self.flow = np.zeros((2, height, width), np.float32)
        self.by_pixel = np.zeros((height, width, 4), np.float32)
        self._warped_by_pixel = np.zeros_like(self.by_pixel)
        self._warped = np.zeros((5, height, width), np.float32)
        self._means = np.zeros((5, height, width), np.float32)
        self._products = np.zeros((2, height, width), np.float32)
        self._at = np.zeros((2, height, width), np.float32)

    def update_flow(self, first: np.ndarray, second_xy: np.ndarray) -> None:
        """Improve the flow: solve for it in the mean over a window.

        Args:
            first: Coefficients of the first frame, (5, h, w).
            second_xy: The coefficient of the second frame that is not in ``by_pixel``, (h, w).
        """
        self._warp(first, second_xy)
        y, x, yy, xx, xy = self._warped
        (dx, dy), (product, other) = self.flow, self._products
        for part, of_first in ((yy, first[2]), (xx, first[3]), (xy, first[4])):
            part += of_first
        for part, of_first, terms in ((y, first[0], ((yy, dy), (xy, dx))), (x, first[1], ((xy, dy), (xx, dx)))):
            np.subtract(of_first, part, out=part)
            for factor, displacement in terms:
                cv2.accumulateProduct(factor, displacement, part)
        for part in self._warped:
            _fade_at_border(part)
        # Normal equations of the displacement, averaged over the window.
        terms_of_means = (((yy, yy), (xy, xy)), ((yy, xy), (xx, xy)), ((xx, xx), (xy, xy)), ((yy, y), (xy, x)))
        for mean, (left, right) in zip(self._means, (*terms_of_means, ((xy, y), (xx, x))), strict=True):
            np.multiply(*left, out=product)
            cv2.accumulateProduct(*right, product)
            cv2.blur(product, (_WINSIZE, _WINSIZE), dst=mean, borderType=cv2.BORDER_REPLICATE)
        a, b, c, p, q = self._means
        determinant = np.multiply(a, c, out=product)
        determinant -= np.multiply(b, b, out=other)
        determinant += _REGULARIZATION
        for part, left, right in ((dx, (a, q), (b, p)), (dy, (c, p), (b, q))):
            np.multiply(*left, out=part)
            part -= np.multiply(*right, out=other)
            part /= determinant

    def _warp(self, first: np.ndarray, second_xy: np.ndarray) -> None:
        """Look the second frame's coefficients up where the flow points to.

        Where it points out of the frame, they are such that the first frame's second-order terms count alone.
        """
        height, width = second_xy.shape
        x, y = self._at
        np.add(self.flow[0], np.arange(width, dtype=np.float32), out=x)
        np.add(self.flow[1], np.arange(height, dtype=np.float32)[:, None], out=y)
        cv2.remap(self.by_pixel, x, y, cv2.INTER_LINEAR, dst=self._warped_by_pixel)
        cv2.split(self._warped_by_pixel, list(self._warped[:4]))
        cv2.remap(second_xy, x, y, cv2.INTER_LINEAR, dst=self._warped[4])
        inside = cv2.inRange(x, 0, float(np.nextafter(np.float32(width - 1), 0)))
        inside = cv2.bitwise_and(inside, cv2.inRange(y, 0, float(np.nextafter(np.float32(height - 1), 0))))
        outside = np.nonzero(inside == 0)
        for index, part in enumerate(self._warped):
            part[outside] = first[index][outside] if index >= 2 else 0


def _fade_at_border(part: np.ndarray) -> None:
    """Weigh the outermost pixels (h, w) less, in place."""
    count = len(_BORDER_WEIGHTS)
    part[:count] *= _BORDER_WEIGHTS[:, None]
    part[-count:] *= _BORDER_WEIGHTS[::-1, None]
    part[:, :count] *= _BORDER_WEIGHTS
    part[:, -count:] *= _BORDER_WEIGHTS[::-1]
