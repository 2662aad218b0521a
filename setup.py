"""Package definition of dlvr_plugin."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name='dlvr_plugin',
    version='0.1.0',
    description='Learning the Loss Functions in a Discriminative Space for Video Restoration, as a BasicSR plugin',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['dlvr_plugin', 'dlvr_plugin.*']),
    package_data={'dlvr_plugin.options': ['templates/*'], 'dlvr_plugin.report': ['page/*']},
    # basicsr 1.4.2 does not build on Python 3.13
    python_requires='>=3.10,<3.13',
    # No tensorboard here: basicsr brings tb-nightly, and the two together break TensorBoard.
    install_requires=[
        'basicsr>=1.4.2',
        'filelock',
        'lmdb>=3',
        'lpips',
        'matplotlib',
        'numpy',
        'opencv-python',
        'pillow',
        'pyyaml',
        'safetensors',
        'torch',
        'torchvision',
        'tqdm',
    ],
    entry_points={'console_scripts': ['dlvr = dlvr_plugin.cli.main:main']},
    extras_require={
        'mmcv': ['mmcv-lite'],  # colours of optical flow as papers have them
        'vmaf': ['imageio-ffmpeg'],  # an ffmpeg with libvmaf
        'wandb': ['wandb'],  # curves at Weights & Biases
        'test': ['imageio-ffmpeg', 'jsonschema', 'mmcv-lite', 'mypy', 'playwright', 'pytest', 'ruff', 'types-PyYAML'],
    },
)
