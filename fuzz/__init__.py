"""Properties that hold whatever happens, and a runner that looks for a case where they do not.

python -m fuzz --minutes 5
"""
