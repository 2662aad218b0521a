"""Farneback's dense optical flow, fast for sequences: a frame is expanded once for both flows that it takes part in."""

import functools
import threading
from collections.abc import Iterator

import cv2
import numpy as np

# The parameters of tOF, in the names of cv2.calcOpticalFlowFarneback.
_PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS, _POLY_N, _POLY_SIGMA = 0.5, 3, 15, 3, 5, 1.2

_MIN_SIDE = 32  # pixels of the smallest level of the pyramid
_REGULARIZATION = np.float32(1e-3)  # keeps the determinant from zero
# Of the terms of the equations, from the border inwards; OpenCV weighs the coefficients, whose products they are.
_BORDER_WEIGHTS = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32) ** 2
_STRIP_ROWS = 192  # worked on at a time, so that more of them stays in the cache

_WINDOW = (_WINSIZE, _WINSIZE)

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


class FlowSolver(threading.local):
    """Computes the flow between expanded frames, in memory that it keeps for each thread.

    Fresh pages would cost more than the work, and several trackers fill the cache less with one memory.
    """

    def __init__(self) -> None:
        self._levels: dict[tuple[int, int], _Level] = {}

    def flow_between(self, previous: Expansion, current: Expansion) -> np.ndarray:
        """Compute the flow between two expanded frames.

        Returns:
            Flow (h, w, 2), x and y, in pixels, float32: where a pixel of the previous frame has gone.
        """
        if previous[0].shape[1:] not in self._levels:
            self._levels.clear()  # clips of many sizes would fill the memory
        flow: list[np.ndarray] | None = None
        for first, second in reversed(list(zip(previous, current, strict=True))):
            height, width = first.shape[1:]
            if (height, width) not in self._levels:
                self._levels[height, width] = _Level(height, width)
            level = self._levels[height, width]
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


_solver = FlowSolver()


def prepare_frame(grey: np.ndarray) -> Expansion | np.ndarray:
    """Return of a frame (h, w), grey, uint8, what ``flow_of_prepared`` takes: the work that its two flows share."""
    return expand_frame(grey) if _remap_is_exact() else grey


def flow_of_prepared(previous: Expansion | np.ndarray, current: Expansion | np.ndarray) -> np.ndarray:
    """Return the flow (h, w, 2), x and y, in pixels, float32, between two prepared frames.

    Source: Farneback, Two-frame motion estimation based on polynomial expansion; equal to
        ``cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0)`` up to float32 rounding.
    """
    if isinstance(previous, list) and isinstance(current, list):
        return _solver.flow_between(previous, current)
    assert isinstance(previous, np.ndarray)
    assert isinstance(current, np.ndarray)
    flow = np.empty((*current.shape, 2), np.float32)
    return np.asarray(
        cv2.calcOpticalFlowFarneback(
            previous, current, flow, _PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS, _POLY_N, _POLY_SIGMA, 0
        )
    )


class FlowTracker:
    """Computes the flow from frame to frame of a sequence; see ``flow_of_prepared``."""

    def __init__(self) -> None:
        self._last: Expansion | np.ndarray | None = None

    def push(self, grey: np.ndarray) -> np.ndarray | None:
        """Go on to the next frame, an image (h, w), uint8.

        Returns:
            Flow (h, w, 2), x and y, in pixels, float32, from the frame before; None for the first.
        """
        last, self._last = self._last, prepare_frame(grey)
        return None if last is None else flow_of_prepared(last, self._last)


def farneback_flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return the flow (h, w, 2) between two frames (h, w), grey, uint8; see ``flow_of_prepared``."""
    return flow_of_prepared(prepare_frame(previous), prepare_frame(current))


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

    coefficients = np.empty((5, *image.shape), np.float32)

    def correlate(along_x: np.ndarray, along_y: np.ndarray, factor: float, out: np.ndarray) -> np.ndarray:
        scaled = along_x * np.float32(factor)
        return cv2.sepFilter2D(image, cv2.CV_32F, scaled, along_y, dst=out, borderType=cv2.BORDER_REPLICATE)

    y, x, yy, xx, xy = coefficients
    correlate(g, xg, linear, y)
    correlate(xg, g, linear, x)
    mean = correlate(g, g, mixed, xy)
    np.add(correlate(g, xxg, square, yy), mean, out=yy)
    np.add(correlate(xxg, g, square, xx), mean, out=xx)
    correlate(xg, xg, product, xy)
    return coefficients


class _Level:
    """The flow at one level of the pyramid, and memory to compute it in.

    Attributes:
        flow: x and y, (2, h, w).
        by_pixel: Coefficients y, x, yy, xx of the second frame, (h, w, 4): one look-up warps four.
    """

    def __init__(self, height: int, width: int) -> None:
        self.flow = np.zeros((2, height, width), np.float32)
        self.by_pixel = np.zeros((height, width, 4), np.float32)
        self._terms = np.zeros((5, height, width), np.float32)
        self._means = np.zeros((5, height, width), np.float32)
        self._four = np.zeros((height, width, 4), np.float32)
        rows = min(_STRIP_ROWS, height)
        self._warped_by_pixel = np.zeros((rows, width, 4), np.float32)
        self._strip = np.zeros((9, rows, width), np.float32)
        self._columns = np.arange(width, dtype=np.float32)
        self._rows = np.arange(height, dtype=np.float32)[:, None]

    def update_flow(self, first: np.ndarray, second_xy: np.ndarray) -> None:
        """Improve the flow: solve for it in the mean over a window.

        Args:
            first: Coefficients of the first frame, (5, h, w).
            second_xy: The coefficient of the second frame that is not in ``by_pixel``, (h, w).
        """
        height = len(second_xy)
        strips = [slice(start, min(start + _STRIP_ROWS, height)) for start in range(0, height, _STRIP_ROWS)]
        for rows in strips:
            self._form_equations(rows, first, second_xy)
        for terms in self._terms:
            _fade_at_border(terms)
        # Four at once take half the time of four.
        four = cv2.blur(cv2.merge(list(self._terms[:4]), dst=self._four), _WINDOW, borderType=cv2.BORDER_REPLICATE)
        cv2.split(four, list(self._means[:4]))
        cv2.blur(self._terms[4], _WINDOW, dst=self._means[4], borderType=cv2.BORDER_REPLICATE)
        for rows in strips:
            self._solve(rows)

    def _form_equations(self, rows: slice, first: np.ndarray, second_xy: np.ndarray) -> None:
        """Compute the terms of the normal equations of the displacement."""
        first, (dx, dy) = first[:, rows], self.flow[:, rows]
        strip = self._strip[:, : rows.stop - rows.start]
        warped, at = strip[:5], strip[5:7]
        self._warp(rows, first, second_xy, warped, at)
        y, x, yy, xx, xy = warped
        # The mean of the two frames' second-order terms, half the difference of their linear ones.
        for part, of_first in ((yy, first[2]), (xx, first[3]), (xy, first[4])):
            part += of_first
        for part, of_first, factors in ((y, first[0], ((yy, dy), (xy, dx))), (x, first[1], ((xy, dy), (xx, dx)))):
            np.subtract(of_first, part, out=part)
            for factor, displacement in factors:
                cv2.accumulateProduct(factor, displacement, part)
        terms = (
            ((yy, yy), (xy, xy)),
            ((yy, xy), (xx, xy)),
            ((xx, xx), (xy, xy)),
            ((yy, y), (xy, x)),
            ((xy, y), (xx, x)),
        )
        for out, (left, right) in zip(self._terms[:, rows], terms, strict=True):
            np.multiply(*left, out=out)
            cv2.accumulateProduct(*right, out)

    def _warp(self, rows: slice, first: np.ndarray, second_xy: np.ndarray, warped: np.ndarray, at: np.ndarray) -> None:
        """Look the second frame's coefficients up where the flow points to.

        Where it points out of the frame, they are such that the first frame's second-order terms count alone.
        """
        height, width = second_xy.shape
        x, y = at
        np.add(self.flow[0, rows], self._columns, out=x)
        np.add(self.flow[1, rows], self._rows[rows], out=y)
        by_pixel = self._warped_by_pixel[: len(x)]
        cv2.remap(self.by_pixel, x, y, cv2.INTER_LINEAR, dst=by_pixel)
        cv2.split(by_pixel, list(warped[:4]))
        cv2.remap(second_xy, x, y, cv2.INTER_LINEAR, dst=warped[4])
        for some_rows, some_columns in self._border_of(rows):
            some_x, some_y = x[some_rows, some_columns], y[some_rows, some_columns]
            inside = (some_x >= 0) & (some_y >= 0) & (some_x < width - 1) & (some_y < height - 1)
            outside = np.nonzero(~inside)
            for index, part in enumerate(warped):
                some = part[some_rows, some_columns]
                some[outside] = first[index][some_rows, some_columns][outside] if index >= 2 else 0

    def _border_of(self, rows: slice) -> list[tuple[slice, slice]]:
        """Return the parts of a strip, rows and columns of it, from where the flow can leave the frame."""
        height, width = len(self._rows), len(self._columns)
        reach_x, reach_y = (int(cv2.norm(part, cv2.NORM_INF)) + 2 for part in self.flow[:, rows])
        whole = slice(None)
        if rows.start < reach_y or rows.stop > height - reach_y or 2 * reach_x >= width:
            return [(whole, whole)]
        return [(whole, slice(reach_x)), (whole, slice(-reach_x, None))]

    def _solve(self, rows: slice) -> None:
        """Solve the equations, averaged over the window, for the flow."""
        a, b, c, p, q = self._means[:, rows]
        determinant, other = self._strip[:2, : rows.stop - rows.start]
        np.multiply(a, c, out=determinant)
        determinant -= np.multiply(b, b, out=other)
        determinant += _REGULARIZATION
        for part, left, right in zip(self.flow[:, rows], ((a, q), (c, p)), ((b, p), (b, q)), strict=True):
            np.multiply(*left, out=part)
            part -= np.multiply(*right, out=other)
            part /= determinant


def _fade_at_border(part: np.ndarray) -> None:
    """Weigh the outermost pixels (h, w) less, in place."""
    count = len(_BORDER_WEIGHTS)
    part[:count] *= _BORDER_WEIGHTS[:, None]
    part[-count:] *= _BORDER_WEIGHTS[::-1, None]
    part[:, :count] *= _BORDER_WEIGHTS
    part[:, -count:] *= _BORDER_WEIGHTS[::-1]
