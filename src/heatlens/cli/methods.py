"""`heatlens methods`: every method, its paper, what it needs, its settings and its cost."""

import click


@click.command(short_help="List the methods: paper, needs, settings, cost.")
@click.argument("names", nargs=-1)
def methods(names: tuple[str, ...]) -> None:
    """Describe the methods of these NAMES, or all."""
    from .. import methods as contents
    from ..registry import Entry, find_method, needs, settings

    def described(entry: Entry) -> str:
        knobs = ", ".join(f"{key}={value}" for key, value in settings(entry.function).items())
        lines = [
            click.style(entry.name, bold=True),
            f"  {entry.paper}",
            f"  needs     {', '.join(needs(entry.function))}",
            *([f"  settings  {knobs}"] if knobs else []),
            f"  cost      {entry.cost}",
        ]
        return "\n".join(lines)

    entries = [find_method(name) for name in names or contents()]
    click.echo("\n\n".join(described(entry) for entry in entries))
