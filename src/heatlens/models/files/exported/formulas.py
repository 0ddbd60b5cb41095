"""Sizes in an exported program: formulas of whole numbers and names, by a grammar of their own.

torch gives them to sympy, which evaluates them as Python; so only what was parsed here, and is written again from
its tree, ever reaches it.
"""

import ast
import re

_CALLS = frozenset({
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Mod", "PythonMod", "FloorDiv",
    "CeilDiv", "CleanDiv", "IntTrueDiv", "FloatTrueDiv", "ToFloat", "FloorToInt", "CeilToInt", "TruncToInt",
    "RoundToInt", "ModularIndexing", "PowByNatural", "Where", "Eq", "Ne", "Equality", "Unequality", "Lt", "Le", "Gt",
    "Ge", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "And", "Or", "Not", "Abs", "floor",
    "ceiling", "Identity",
})  # fmt: skip
"""What a size may be made of."""
_POWERS = ("Pow", "PowByNatural")
_ASSUMPTIONS = frozenset({"positive", "nonnegative", "negative", "integer", "real", "finite", "zero", "evaluate"})
_NAMES = re.compile(r"(?!.*__)[A-Za-z]\w{0,40}")
_OPERATIONS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_LONGEST, _DEEPEST, _LARGEST, _HIGHEST = 20_000, 60, 2**64, 8


def canonical(formula: str) -> str:
    """The formula, written anew from its tree.  Raises ValueError for anything that is no formula of sizes."""
    if len(formula) > _LONGEST or not formula.isascii():
        raise ValueError("a formula of no size")
    deepest = depth = 0
    for character in formula:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError("a formula of too many brackets")
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("no formula") from None
    _check(tree, 0, 0)
    return ast.unparse(tree)


def _check(node: ast.expr, depth: int, powers: int) -> None:
    """Raise ValueError for what has no place in a formula; `powers` is how many powers stand around it."""
    if depth > _DEEPEST or powers > 2:
        raise ValueError("a formula that is too deep")
    inside: list[ast.expr] = []
    match node:
        case ast.Constant(value=int() | float() as number) if abs(number) <= _LARGEST:
            pass
        case ast.Name(id=name) if _NAMES.fullmatch(name) and name not in _CALLS:
            pass
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=inner):
            inside = [inner]
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            _power([left, right], depth, powers)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATIONS):
            inside = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(isinstance(op, _COMPARISONS) for op in ops):
            inside = [left, *others]
        case ast.Call(func=ast.Name(id=called)) if called in _CALLS:
            _call(called, node, depth, powers)
        case _:
            raise ValueError(f"{ast.unparse(node)[:60]!r} in the formula of a size")
    for one in inside:
        _check(one, depth + 1, powers)


def _call(called: str, node: ast.Call, depth: int, powers: int) -> None:
    for keyword in node.keywords:
        said = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        precise = keyword.arg == "precision" and isinstance(said, int) and 0 < said <= 200
        if not precise and (keyword.arg not in _ASSUMPTIONS or not isinstance(said, bool)):
            raise ValueError(f"{keyword.arg!r} in the formula of a size")
    match node.args:
        case [ast.Constant(value=str() as name)] if called == "Symbol" and _NAMES.fullmatch(name):
            return
        case [ast.Constant(value=str() | float() | int() as number)] if called == "Float":
            float(number)
        case _ if called in _POWERS:
            _power(node.args, depth, powers)
        case _ if called != "Symbol":
            for argument in node.args:
                _check(argument, depth + 1, powers)
        case _:
            raise ValueError(f"{ast.unparse(node)[:60]!r} in the formula of a size")


def _power(parts: list[ast.expr], depth: int, powers: int) -> None:
    """A base, and a small number as its exponent."""
    match parts:
        case [base, ast.Constant(value=int() as exponent)] if exponent <= _HIGHEST:
            _check(base, depth + 1, powers + 1)
        case [base, ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as exponent))] if exponent <= _HIGHEST:
            _check(base, depth + 1, powers + 1)
        case [base, ast.Call(func=ast.Name(id="Integer"), args=[inner], keywords=[])]:
            _power([base, inner], depth + 1, powers)
        case _:
            raise ValueError("a power with such an exponent in the formula of a size")
