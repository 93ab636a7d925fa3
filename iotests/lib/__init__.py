"""What the Python programs of the project share, for the whole-program tests, the benchmarks and other tests.

A program imports it as `from lib.daemon import Daemon`. iotests/check puts iotests/ into PYTHONPATH for its tests. Python
searches the folder of a program first, so every other folder with such programs contains a symbolic link `lib` to this
package, and its programs run from any directory.
"""
