"""One module per subcommand of ``spendwatch``, named as typed, with ``_`` for ``-``.

The contract, on which ``stream/cli.py`` relies:

- ``add_parser(subparsers: Subparsers) -> None`` calls ``subparsers.add_parser("<name as typed>",
  description=...)`` once and adds its arguments (``stream.commands.arguments`` has the type and
  those that many share: ``-c``, ``--json``).
- ``run(arguments: argparse.Namespace) -> int`` does the work and returns an ``ExitCode``. What
  goes wrong in a way that a user can mend is raised as ``CommandError`` (``stream.exit``):
  one sentence that names the fix, no traceback.
- Data goes to stdout, everything else to stderr.
- One line in ``COMMANDS`` of ``stream/cli.py`` makes it appear in ``spendwatch --help``.

A module is imported only when its command runs, so that ``--help`` is fast; it may import whatever
it needs at its top.
"""
