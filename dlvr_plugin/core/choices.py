"""What arguments and options choose from; importing it costs nothing, so that a help page may show it at once."""

from typing import Literal

AnyDegradationType = Literal['BI', 'BD', 'motion_blur', 'realistic']
"""How low-quality frames are made: in a way that is known, or drawn for each clip from what real footage has."""

Average = Literal['clip', 'frame']
"""What a metric is averaged over: clips, each the mean of its frames, or all frames alike."""

Codec = Literal['raw', 'png']
"""How an LMDB holds frames."""

ColorSpace = Literal['rgb', 'y']
"""What PSNR and SSIM compare: RGB, or the luma of BT.601."""

Crop = Literal['none', 'border', 'tecogan']
"""Which part of a frame counts: all, all but the border, or what TecoGAN's script takes."""

DegradationType = Literal['BI', 'BD', 'motion_blur']
"""Those of them that are known: bicubic, blurred and decimated, or blurred by motion."""

DistsSize = Literal['frame', 'shorter-256']
"""What DISTS sees of a frame: all of its pixels, or the frame with its shorter side brought down to 256 pixels."""

FlowNorm = Literal['euclidean', 'absolute']
"""Norm of the difference of two flow vectors."""

ImageFormat = Literal['png', 'jpg', 'webp']
"""Of the pictures of a report."""

LpipsNet = Literal['alex', 'vgg', 'squeeze']
"""Trunks of LPIPS."""

Match = Literal['name', 'order']
"""Which frames of results and ground truth belong together: those of one name, or of one place in their order."""

MissingPolicy = Literal['error', 'leave-out']
"""What becomes of a metric whose weights or program cannot be had: an error, or the others are measured."""

NanPolicy = Literal['error', 'leave-out']
"""What becomes of a value that is not a number: an error, or its frame is left out of the means of that metric."""

Original = Literal['TecoGAN-PyTorch', 'TecoGAN-TensorFlow', 'STFAN', 'EDVR']
"""Whose published weights are converted."""

RealisticCodec = Literal['h264', 'h265', 'mpeg2', 'mpeg4', 'vp9']
"""Video codecs that low-quality frames are compressed by while training."""

RealisticPreset = Literal['real_esrgan', 'real_basicvsr', 'phone', 'dvd', 'web']
"""Ranges of realistic degradations: two that are published, and three kinds of footage."""

ResizeMode = Literal['area', 'bilinear', 'bicubic']
"""How realistic degradations resize frames."""

SizeReference = Literal['frames', 'result']
"""What factors of sizes count from: the size that frames have, or that of the low-quality result."""

WarpingFlow = Literal['dis', 'raft']
"""What computes the flow of the warping error: OpenCV's DIS, or RAFT of torchvision."""

WarpingFrames = Literal['gt', 'result']
"""Whose motion the warping error follows: that of the ground truth, or that of the restored frames."""

WarpingMask = Literal['consistency', 'ruder']
"""Which pixels of the warping error count: where both flows agree, or of these those off motion boundaries."""

WeightedNetwork = Literal['lpips', 'dists', 'raft']
"""Networks of metrics, whose weights are published."""
