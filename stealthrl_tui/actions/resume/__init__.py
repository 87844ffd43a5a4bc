"""Resuming a run from a checkpoint's state: plan it (`plan`), check it (`preflight`), start it (`start`), `stop` it.

What each kind of run needs is FORMATS.md, "Resuming". Nothing here asks the Tinker service: what it says comes in as a
`preflight.ServerWord`.
"""
