"""A 3CX that runs a CRM template: it fills in the variables and makes the requests that the template asks for.

What is not documented is done in the way that makes the least sense of it: a variable nobody knows stays as it is
written, a lookup's number is put into the address as it is.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

Values = Mapping[str, str | datetime]

_VARIABLE = re.compile(r"\[(\w+)\]")
_FORMATTED = re.compile(r'\[\[(\w+)\]\.ToString\("([^"]*)"\)\]')
_NET_FORMATS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_NET_FORMAT = re.compile("|".join(_NET_FORMATS))
_PLUS = {"Plus": "+", "Zeros": "00", "Off": ""}


class CrmTemplate:
    """A template as uploaded; `settings` are its parameters, which the administrator may change."""

    def __init__(self, xml: bytes) -> None:
        self._crm = ET.fromstring(xml)  # noqa: S314 - our own
        self.settings = {
            parameter.attrib["Name"]: parameter.attrib.get("Default", "") for parameter in self._crm.iter("Parameter")
        }

    def number(self, raw: str) -> str:
        """A caller's number as the template wants it."""
        rule = self._crm.find("Number")
        assert rule is not None  # noqa: S101 - a template without is none
        prefix, longest = rule.attrib["Prefix"], rule.attrib["MaxLength"]
        bare = raw.removeprefix("+").removeprefix("00")
        number = raw if prefix == "AsIs" or bare == raw else _PLUS[prefix] + bare
        return number[-int(longest) :] if longest else number

    async def run(self, http: httpx.AsyncClient, scenario: str, values: Values) -> dict[str, str] | None:
        """What a scenario found, by the outputs' names; `None` where it found nothing, or was not to be run.

        Raises:
            httpx.HTTPError: the request failed, or was not answered with success.
        """
        found = self._scenario(scenario)
        request = found.find("Request")
        assert request is not None  # noqa: S101 - a scenario without is none
        known = {**self.settings, **values}
        if "SkipIf" in request.attrib and _holds(request.attrib["SkipIf"], known):
            return None
        answer = await http.request(
            request.attrib["RequestType"].upper(),
            _filled(request.attrib["Url"], known, 1),
            headers={one.attrib["Key"]: _value(one, known) for one in request.iterfind("Headers/Value")},
            **_posted(request, known),
        )
        answer.raise_for_status()
        return _outputs(found, answer.json(), known)

    def _scenario(self, scenario: str) -> ET.Element:
        (found,) = [one for one in self._crm.iter("Scenario") if one.attrib.get("Id", "") == scenario]
        return found


def _filled(text: str, values: Values, passes: int) -> str:
    """A value is looked into again only where another pass is asked for."""
    if passes > 1:
        text = _FORMATTED.sub(lambda found: _formatted(values.get(found[1]), found[2], found[0]), text)
    for _ in range(max(1, passes)):
        text = _VARIABLE.sub(lambda found: str(values.get(found[1], found[0])), text)
    return text


def _formatted(value: str | datetime | None, net_format: str, unknown: str) -> str:
    if not isinstance(value, datetime):
        return unknown
    return value.strftime(_NET_FORMAT.sub(lambda part: _NET_FORMATS[part[0]], net_format))


def _value(element: ET.Element, values: Values) -> str:
    return _filled(element.text or "", values, int(element.attrib.get("Passes", "0")))


def _holds(condition: str, values: Values) -> bool:
    return any(_is_true(_filled(part, values, 1)) for part in condition.split("||"))


def _is_true(comparison: str) -> bool:
    left, unequal, right = comparison.partition("!=")
    if unequal:
        return left != right
    left, _, right = comparison.partition("==")
    return left == right


def _posted(request: ET.Element, values: Values) -> dict[str, Any]:
    posted = {one.attrib["Key"]: _value(one, values) for one in request.iterfind("PostValues/Value")}
    if request.attrib["RequestType"] == "Get":
        return {}
    return {"json": posted} if request.attrib["RequestEncoding"] == "Json" else {"data": posted}


def _outputs(scenario: ET.Element, answer: object, values: Values) -> dict[str, str] | None:
    rules = [rule.text or "" for rule in scenario.iterfind("Rules/Rule[@Type='Any']")]
    if any(_at(answer, path) is None for path in rules):
        return None
    read = {
        one.attrib["Name"]: _at(answer, one.attrib["Path"]) or "" for one in scenario.iterfind("Variables/Variable")
    }
    outputs = scenario.iterfind("Outputs/Output")
    return {one.attrib["Type"]: _filled(one.attrib["Value"], {**values, **read}, 0) for one in outputs}


def _at(answer: object, path: str) -> str | None:
    """What stands at a dotted path; of a list its first element that has it."""
    if isinstance(answer, list):
        return next((found for one in answer if (found := _at(one, path)) is not None), None)
    if not path:
        return None if answer is None else str(answer)
    name, _, rest = path.partition(".")
    return _at(answer[name], rest) if isinstance(answer, dict) and name in answer else None
