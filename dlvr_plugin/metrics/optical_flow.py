"""Farneback's dense optical flow, fast for sequences: a frame is expanded once for both flows that it takes part in."""

import functools
import threading
from collections.abc import Iterator

import cv2
import numpy as np

from dlvr_plugin.metrics.polynomial_expansion import (
    POLY_N,
    POLY_SIGMA,
    Coefficients,
    ComputedCoefficients,
    HeldCoefficients,
    LookUp,
)

# The parameters of tOF, in the names of cv2.calcOpticalFlowFarneback.
_PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS = 0.5, 3, 15, 3

_MIN_SIDE = 32  # pixels of the smallest level of the pyramid
_REGULARIZATION = np.float32(1e-3)  # keeps the determinant from zero
# Of the terms of the equations, from the border inwards; OpenCV weighs the coefficients, whose products they are.
_BORDER_WEIGHTS = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32) ** 2
_STRIP_ROWS = 192  # at most, worked on at a time, so that more of them stays in the cache
_STRIP_PIXELS = 2**18
# Of larger frames, coefficients are computed where they are needed, again and again, to save memory.
_HELD_PIXELS = 4096 * 2304

_WINDOW, _REACH = (_WINSIZE, _WINSIZE), _WINSIZE // 2


Expansion = list[Coefficients]


def expand_frame(grey: np.ndarray) -> Expansion:
    """Expand a frame into polynomials, the work that its two flows share.

    Args:
        grey: Image (h, w), uint8.

    Returns:
        The coefficients of each level of the pyramid, the finest first.
    """
    image = grey.astype(np.float32)
    return [HeldCoefficients(level) for level in _levels_of(image)]


def _expand_large_frame(grey: np.ndarray) -> Expansion:
    """Return what ``expand_frame`` does, in little memory."""
    finest = ComputedCoefficients(grey, lambda rows: _smooth(rows.astype(np.float32), 1))
    coarse = list(_levels_of(grey.astype(np.float32), first=1))
    return [finest, *(ComputedCoefficients(level, lambda rows: rows) for level in coarse)]


def _levels_of(image: np.ndarray, first: int = 0) -> Iterator[np.ndarray]:
    """Yield the images of the pyramid of one (h, w), float32, the finest first."""
    for scale, height, width in list(_pyramid(*image.shape))[first:]:
        level = _smooth(image, scale)
        if scale != 1:
            level = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        yield level


def _smooth(image: np.ndarray, scale: float) -> np.ndarray:
    sigma = (1 / scale - 1) / 2
    size = max(round(5 * sigma) | 1, 3)
    return cv2.GaussianBlur(image, (size, size), sigma, sigmaY=sigma)


class FlowSolver(threading.local):
    """Computes the flow between expanded frames, in memory that it keeps for each thread.

    Fresh pages would cost more than the work, and several trackers fill the cache less with one memory.
    """

    def __init__(self) -> None:
        self._levels: dict[tuple[int, int], _Level] = {}
        self._size: tuple[int, int] | None = None

    def flow_between(self, previous: Expansion, current: Expansion) -> np.ndarray:
        """Compute the flow between two expanded frames.

        Returns:
            Flow (h, w, 2), x and y, in pixels, float32: where a pixel of the previous frame has gone.
        """
        is_large = _is_large(previous[0].size)
        if previous[0].size != self._size or is_large:
            self._levels.clear()  # clips of many sizes would fill the memory
            self._size = previous[0].size
        flow: np.ndarray | None = None
        pairs = list(zip(previous, current, strict=True))
        del previous, current  # of a large frame, each level goes as soon as it is done
        while pairs:
            first, second = pairs.pop()
            height, width = first.size
            level = self._levels.get(first.size) or _Level(height, width)
            if not is_large:
                self._levels[first.size] = level
            if flow is None:
                level.flow[:] = 0
            else:
                for part, coarse in zip(level.flow, flow, strict=True):
                    cv2.resize(coarse, (width, height), dst=part, interpolation=cv2.INTER_LINEAR)
                    part /= _PYR_SCALE
                del flow, coarse
            look_up = second.lookup(level.by_pixel)
            for _ in range(_ITERATIONS):
                level.update_flow(first, look_up)
            flow = level.flow
        assert flow is not None
        return np.moveaxis(flow, 0, -1) if is_large else cv2.merge(list(flow))


def _is_large(size: tuple[int, ...]) -> bool:
    return size[0] * size[1] > _HELD_PIXELS


_solver = FlowSolver()


def prepare_frame(grey: np.ndarray) -> Expansion | np.ndarray:
    """Return of a frame (h, w), grey, uint8, what ``flow_of_prepared`` takes: the work that its two flows share."""
    return expand_frame(grey) if _remap_is_exact() and not _is_large(grey.shape) else grey


def flow_of_prepared(previous: Expansion | np.ndarray, current: Expansion | np.ndarray) -> np.ndarray:
    """Return the flow (h, w, 2), x and y, in pixels, float32, between two prepared frames.

    Source: Farneback, Two-frame motion estimation based on polynomial expansion; equal to
        ``cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0)`` up to float32 rounding.
    """
    if isinstance(previous, list) and isinstance(current, list):
        return _solver.flow_between(previous, current)
    assert isinstance(previous, np.ndarray)
    assert isinstance(current, np.ndarray)
    if _remap_is_exact():
        return _solver.flow_between(_expand_large_frame(previous), _expand_large_frame(current))
    flow = np.empty((*current.shape, 2), np.float32)
    return np.asarray(
        cv2.calcOpticalFlowFarneback(
            previous, current, flow, _PYR_SCALE, _LEVELS, _WINSIZE, _ITERATIONS, POLY_N, POLY_SIGMA, 0
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


class _Level:
    """The flow at one level of the pyramid, and memory to compute it in.

    Attributes:
        flow: x and y, (2, h, w).
    """

    def __init__(self, height: int, width: int) -> None:
        self.flow = np.zeros((2, height, width), np.float32)
        self._num_rows = min(_STRIP_ROWS, max(_STRIP_PIXELS // width, 4 * _REACH), height)
        rows = self._num_rows + 2 * _REACH  # the mean over a window of a strip takes rows of its neighbours
        self._terms = np.zeros((5, rows, width), np.float32)
        self._means = np.zeros((5, rows, width), np.float32)
        self._four = np.zeros((2, rows, width, 4), np.float32)
        self._strip = np.zeros((9, rows, width), np.float32)
        self._columns = np.arange(width, dtype=np.float32)
        self._rows = np.arange(height, dtype=np.float32)[:, None]
        self._by_pixel: np.ndarray | None = None

    def by_pixel(self) -> np.ndarray:
        """Return memory (h, w, 4)."""
        if self._by_pixel is None:
            self._by_pixel = np.empty((len(self._rows), len(self._columns), 4), np.float32)
        return self._by_pixel

    def update_flow(self, first: Coefficients, second: LookUp) -> None:
        """Improve the flow: solve for it in the mean over a window.

        Strip follows strip from top to bottom. The terms of a strip's equations and of as many rows below as its
        windows reach are formed in front of its solution, and those of the last rows are kept for the next strip, so
        that all terms are those of the flow as it was.

        Args:
            first: Coefficients of the first frame.
            second: Looks those of the second one up.
        """
        height, top, formed = len(self._rows), 0, 0
        for start in range(0, height, self._num_rows):
            stop = min(start + self._num_rows, height)
            last_top, top, bottom = top, max(start - _REACH, 0), min(stop + _REACH, height)
            kept = formed - top
            if top > last_top:
                self._terms[:, :kept] = self._terms[:, top - last_top : formed - last_top].copy()
            if bottom > formed:
                self._form_equations(slice(formed, bottom), first, second, self._terms[:, kept : bottom - top])
            formed = bottom
            self._average(bottom - top)
            self._solve(slice(start, stop), self._means[:, start - top : stop - top])

    def _average(self, num_rows: int) -> None:
        """Average the terms over a window, which is of no use at ends of a strip that are not those of the frame."""
        terms, means = self._terms[:, :num_rows], self._means[:, :num_rows]
        # Four at once take half the time of four.
        four, mean_of_four = self._four[:, :num_rows]
        cv2.blur(cv2.merge(list(terms[:4]), dst=four), _WINDOW, dst=mean_of_four, borderType=cv2.BORDER_REPLICATE)
        cv2.split(mean_of_four, list(means[:4]))
        cv2.blur(terms[4], _WINDOW, dst=means[4], borderType=cv2.BORDER_REPLICATE)

    def _form_equations(self, rows: slice, first: Coefficients, second: LookUp, terms: np.ndarray) -> None:
        """Compute the terms (5, n, w) of the normal equations of the displacement in some rows."""
        of_first, (dx, dy) = first.rows(rows.start, rows.stop), self.flow[:, rows]
        strip = self._strip[:, : rows.stop - rows.start]
        warped, at = strip[:5], strip[5:7]
        self._warp(rows, of_first, second, warped, at)
        y, x, yy, xx, xy = warped
        # The mean of the two frames' second-order terms, half the difference of their linear ones.
        for part, other in ((yy, of_first[2]), (xx, of_first[3]), (xy, of_first[4])):
            part += other
        for part, other, factors in ((y, of_first[0], ((yy, dy), (xy, dx))), (x, of_first[1], ((xy, dy), (xx, dx)))):
            np.subtract(other, part, out=part)
            for factor, displacement in factors:
                cv2.accumulateProduct(factor, displacement, part)
        products = (
            ((yy, yy), (xy, xy)),
            ((yy, xy), (xx, xy)),
            ((xx, xx), (xy, xy)),
            ((yy, y), (xy, x)),
            ((xy, y), (xx, x)),
        )
        for out, (left, right) in zip(terms, products, strict=True):
            np.multiply(*left, out=out)
            cv2.accumulateProduct(*right, out)
            _fade_at_border(out, rows, len(self._rows))

    def _warp(self, rows: slice, of_first: np.ndarray, second: LookUp, warped: np.ndarray, at: np.ndarray) -> None:
        """Look the second frame's coefficients up where the flow points to.

        Where it points out of the frame, they are such that the first frame's second-order terms count alone.
        """
        height, width = len(self._rows), len(self._columns)
        x, y = at
        np.add(self.flow[0, rows], self._columns, out=x)
        np.add(self.flow[1, rows], self._rows[rows], out=y)
        reach = self._reach_of(self.flow[1, rows])
        start, by_pixel, fifth = second(max(rows.start - reach, 0), min(rows.stop + reach, height))
        y_there = y - np.float32(start) if start else y  # exact, so that it is the same place
        found = self._four[0, : len(x)]
        cv2.remap(by_pixel, x, y_there, cv2.INTER_LINEAR, dst=found)
        cv2.split(found, list(warped[:4]))
        cv2.remap(fifth, x, y_there, cv2.INTER_LINEAR, dst=warped[4])
        for some_rows, some_columns in self._border_of(rows):
            some_x, some_y = x[some_rows, some_columns], y[some_rows, some_columns]
            inside = (some_x >= 0) & (some_y >= 0) & (some_x < width - 1) & (some_y < height - 1)
            outside = np.nonzero(~inside)
            for index, part in enumerate(warped):
                some = part[some_rows, some_columns]
                some[outside] = of_first[index][some_rows, some_columns][outside] if index >= 2 else 0

    def _border_of(self, rows: slice) -> list[tuple[slice, slice]]:
        """Return the parts of a strip, rows and columns of it, from where the flow can leave the frame."""
        height, width = len(self._rows), len(self._columns)
        reach_x, reach_y = map(self._reach_of, self.flow[:, rows])
        whole = slice(None)
        if rows.start < reach_y or rows.stop > height - reach_y or 2 * reach_x >= width:
            return [(whole, whole)]
        return [(whole, slice(reach_x)), (whole, slice(-reach_x, None))]

    @staticmethod
    def _reach_of(displacement: np.ndarray) -> int:
        """Return how many pixels away anything is looked up at most."""
        return int(cv2.norm(displacement, cv2.NORM_INF)) + 2

    def _solve(self, rows: slice, means: np.ndarray) -> None:
        """Solve the equations, averaged over the window (5, n, w), for the flow."""
        a, b, c, p, q = means
        determinant, other = self._strip[:2, : rows.stop - rows.start]
        np.multiply(a, c, out=determinant)
        determinant -= np.multiply(b, b, out=other)
        determinant += _REGULARIZATION
        for part, left, right in zip(self.flow[:, rows], ((a, q), (c, p)), ((b, p), (b, q)), strict=True):
            np.multiply(*left, out=part)
            part -= np.multiply(*right, out=other)
            part /= determinant


def _fade_at_border(part: np.ndarray, rows: slice, height: int) -> None:
    """Weigh the outermost pixels of a frame less, in some rows (n, w) of it, in place."""
    count = len(_BORDER_WEIGHTS)
    for row in range(rows.start, min(rows.stop, count)):
        part[row - rows.start] *= _BORDER_WEIGHTS[row]
    for row in range(max(rows.start, height - count), rows.stop):
        part[row - rows.start] *= _BORDER_WEIGHTS[height - 1 - row]
    part[:, :count] *= _BORDER_WEIGHTS
    part[:, -count:] *= _BORDER_WEIGHTS[::-1]
