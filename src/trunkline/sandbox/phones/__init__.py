"""Phone systems that speak their vendors' wire formats, one module each; `NAMES` says which there are."""

from importlib import import_module
from pkgutil import iter_modules

from trunkline.sandbox.phones.speaker import Speaker

_NOT_SPEAKERS = {"speaker", "sending", "rest", "pbx"}

_NAMED_OTHERWISE = {"three_cx": "3cx", "cdr_file": "cdr-file"}
_MODULES = {
    _NAMED_OTHERWISE.get(module.name, module.name): module.name
    for module in iter_modules(__path__)
    if module.name not in _NOT_SPEAKERS
}
NAMES = sorted(_MODULES)


def speaker(name: str) -> Speaker:
    """The speaker for a phone system.

    Raises:
        ValueError: with one sentence: there is none.
    """
    if name not in NAMES:
        raise ValueError(f"There is no speaker for {name!r}; there are: {', '.join(NAMES)}.")
    made: Speaker = import_module(f"{__name__}.{_MODULES[name]}").SPEAKER
    return made
