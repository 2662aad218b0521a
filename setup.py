"""Package definition of dlvr_plugin."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r"__version__ = '(.+)'", (HERE / 'dlvr_plugin/core/version.py').read_text(encoding='utf-8'))
assert VERSION is not None

# Each lower bound is the version that brought what the code needs, or the oldest one that the tests have passed with.
REQUIREMENTS = [
    'av>=17',  # reformats frames by their own range and place of chroma
    'basicsr==1.4.2',  # the only version whose defects are known; repairs recognise its functions
    'lmdb>=3',  # lmdb.verify
    'lpips==0.1.4',  # the version of the metric that numbers are compared by
    'matplotlib>=3.10',  # Artist.get_figure(root=...), interpolation 'auto'
    'numpy>=1.24.4',
    'opencv-python>=4.8.0.76',
    'pillow>=10.1',
    'pyyaml>=6.0.1',
    'safetensors>=0.4.3',
    # TensorBoard, as tb-nightly of basicsr, imports pkg_resources, which setuptools 82 removed. No tensorboard here:
    # it and tb-nightly together break TensorBoard.
    'setuptools<82',
    'torch>=2.6',  # nn.utils.get_total_norm, clip_grads_with_norm_
    'torchvision>=0.21',  # the one of torch 2.6
    'tqdm>=4.66.1',
]

setup(
    name='dlvr_plugin',
    version=VERSION[1],
    description='Learning the Loss Functions in a Discriminative Space for Video Restoration, as a BasicSR plugin',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='video restoration, video super-resolution, video deblurring, loss function, perceptual quality, BasicSR',
    project_urls={'BasicSR': 'https://github.com/XPixelGroup/BasicSR'},
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Environment :: GPU :: NVIDIA CUDA',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Multimedia :: Video',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
    packages=find_packages(include=['dlvr_plugin', 'dlvr_plugin.*']),
    package_data={
        'dlvr_plugin.options': ['templates/*'],
        'dlvr_plugin.report': ['page/*'],
        'dlvr_plugin.restoration': ['bundled/*.safetensors', 'templates/*'],
        'dlvr_plugin.survey': ['page/*', 'texts/*'],
    },
    # basicsr 1.4.2 does not build on Python 3.13
    python_requires='>=3.10,<3.13',
    install_requires=REQUIREMENTS,
    entry_points={'console_scripts': ['dlvr = dlvr_plugin.cli.main:main']},
    extras_require={
        'dists': ['DISTS-pytorch'],  # what DISTS has learned, without a download
        'cluster': ['submitit>=1.5'],  # sweeps on SLURM
        'mmcv': ['mmcv-lite'],  # colours of optical flow as papers have them
        'onnx': ['onnx', 'onnxruntime'],  # dlvr export --onnx
        'survey': ['starlette', 'uvicorn'],  # blind comparison by people
        'vmaf': ['imageio-ffmpeg'],  # an ffmpeg with libvmaf
        'wandb': ['wandb'],  # curves at Weights & Biases
        'test': [
            'DISTS-pytorch',
            'choix',
            'httpx',
            'imageio-ffmpeg',
            'jsonschema',
            'mmcv-lite',
            'mypy',
            'onnx',
            'onnxruntime',
            'playwright',
            'pytest',
            'pytest-xdist',
            'ruff',
            'spandrel',  # reads the exports of image models
            'submitit>=1.5',
            'starlette',
            'types-PyYAML',
            'uvicorn',
        ],
    },
)
