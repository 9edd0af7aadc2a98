"""Compiles the native core where there is a C compiler; without one, the package is pure Python."""

from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
SOURCES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("native/src/*.c"))
HEADERS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("native/**/*.h"))


class BuildLibrary(build_ext):
    """Builds a library that ctypes loads: Python finds nothing to import in it."""

    def build_extension(self, ext):
        """Compile with the options that this compiler has."""
        if self.compiler.compiler_type == "unix":
            # Debugging information names the folder of the build: without it, every build is the same.
            ext.extra_compile_args = ["-std=gnu99", "-O3", "-fno-math-errno", "-pthread", "-g0"]
            ext.extra_link_args = ["-pthread"]
            ext.libraries = ["m"]
        super().build_extension(ext)

    def get_export_symbols(self, ext):
        """No PyInit_ function."""
        return ext.export_symbols


FOLDERS = ["inrcodec.training.recipes", "inrcodec._pretrained", "inrcodec._web"]
"""Packages that are data only."""

setup(
    packages=[*find_packages(include=["inrcodec", "inrcodec.*"]), *FOLDERS],
    package_dir={"inrcodec._pretrained": "pretrained", "inrcodec._web": "web"},
    ext_modules=[
        Extension("inrcodec.kernels._native", SOURCES, depends=HEADERS, optional=True, py_limited_api=True)
    ],
    cmdclass={"build_ext": BuildLibrary},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
