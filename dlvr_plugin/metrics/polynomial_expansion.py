"""The polynomial expansion of images that Farneback's flow is computed from.

Source: Farneback, Two-frame motion estimation based on polynomial expansion.
"""

import functools
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

POLY_N, POLY_SIGMA = 5, 1.2  # of tOF, in the names of cv2.calcOpticalFlowFarneback

LookUp = Callable[[int, int], tuple[int, np.ndarray, np.ndarray]]
"""Takes the first row and the one after the last; returns a row, and the coefficients from there on: the first four
(n, w, 4), because one look-up warps four, and the last one (n, w)."""


class Coefficients(Protocol):
    """The quadratic polynomial around every pixel of an image: coefficients y, x, yy, xx by 1/2, xy by 1/4.

    Attributes:
        size: Height and width of the image.
    """

    size: tuple[int, int]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the coefficients (5, stop - start, w) of some rows."""

    def lookup(self, memory: Callable[[], np.ndarray]) -> LookUp:
        """Return a function that returns those of some rows, or of more, for looking them up.

        Args:
            memory: Returns memory (h, w, 4) to work in, where that is wanted.
        """


class HeldCoefficients:
    """Coefficients that are computed once.

    Args:
        image: Image (h, w), float32.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.size = image.shape[0], image.shape[1]
        self._all = _expand_level(image)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """See ``Coefficients``."""
        return self._all[:, start:stop]

    def lookup(self, memory: Callable[[], np.ndarray]) -> LookUp:
        """See ``Coefficients``."""
        by_pixel = cv2.merge(list(self._all[:4]), dst=memory())
        return lambda start, stop: (0, by_pixel, self._all[4])


class ComputedCoefficients:
    """Coefficients that are computed for a few rows at a time, with the same bits.

    Args:
        image: Image (h, w).
        smooth: Makes of some rows of it what is expanded, float32; a pixel may depend on its neighbours.
    """

    def __init__(self, image: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]) -> None:
        self.size = image.shape[0], image.shape[1]
        self._image, self._smooth = image, smooth

    def rows(self, start: int, stop: int) -> np.ndarray:
        """See ``Coefficients``."""
        height = self.size[0]
        # The rows that the polynomials depend on, and one more at each side for what smooths them.
        top, bottom = max(start - POLY_N, 0), min(stop + POLY_N, height)
        above, below = max(top - 1, 0), min(bottom + 1, height)
        image = self._smooth(self._image[above:below])[top - above : bottom - above]
        return _expand_level(image)[:, start - top : stop - top]

    def lookup(self, memory: Callable[[], np.ndarray]) -> LookUp:
        """See ``Coefficients``."""

        def compute(start: int, stop: int) -> tuple[int, np.ndarray, np.ndarray]:
            found = self.rows(start, stop)
            return start, cv2.merge(list(found[:4])), found[4]

        return compute


@functools.cache
def _polynomial_basis() -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float, float, float]]:
    """Return the weights g, x g and x^2 g over the neighbourhood, and factors from the inverse Gram matrix."""
    x = np.arange(-POLY_N, POLY_N + 1, dtype=np.float64)
    g = np.exp(-(x**2) / (2 * POLY_SIGMA**2))
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
