"""The CRM template that a shop uploads to its 3CX, with our address and its key filled in.

Grammar and scenario names: 3CX's "CRM Template XML Description" and published templates.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from urllib.parse import quote

_GROUP = "Trunkline"
# Field of ours: 3CX's variable. Where a variable is another's property, 3CX needs two passes to work it out.
_JOURNAL = {
    "callType": "[CallType]",
    "direction": "[CallDirection]",
    "number": "[Number]",
    "name": "[Name]",
    "agent": "[Agent]",
    "agentFirst": "[AgentFirstName]",
    "agentLast": "[AgentLastName]",
    "agentEmail": "[AgentEmail]",
    "queue": "[QueueExtension]",
    "duration": "[Duration]",
    "startUtc": '[[CallStartTimeUTC].ToString("yyyy-MM-ddTHH:mm:ssZ")]',
    "endUtc": '[[CallEndTimeUTC].ToString("yyyy-MM-ddTHH:mm:ssZ")]',
    "summary": "[Summary]",
    "transcription": "[Transcription]",
    "recordingUrl": "[RecordingUrl]",
}
_CONTACT = {
    "number": "[Number]",
    "first": "[FirstName]",
    "last": "[LastName]",
    "company": "[Company]",
    "email": "[Email]",
}
_FOUND = {"Id": "id", "First": "first", "Last": "last", "Company": "company", "Url": "url"}
_OUTPUTS = {
    "ContactUrl": "[Url]",
    "FirstName": "[First]",
    "LastName": "[Last]",
    "CompanyName": "[Company]",
    "PhoneBusiness": "[Number]",
    "EntityId": "[Id]",
    "EntityType": "Customers",
}


def crm_template(*, base_url: str, account: str, key: str) -> bytes:
    """The template (XML, UTF-8) for the phone system `account` of the Trunkline at `base_url`; `key` proves who sends.

    Address and key are the defaults of the template's parameters, so both can be changed in 3CX without a new upload.

    Raises:
        ValueError: a bracket stands in address or key; 3CX would take it for a variable.
    """
    if any(sign in text for sign in "[]" for text in (base_url, key)):
        raise ValueError("An address or key with a bracket cannot stand in a CRM template.")
    crm = ET.Element("Crm", Country="US", Name="Trunkline", Version="1", SupportsEmojis="false")
    # The whole number: its last ten digits alone would make somebody else's of a number from abroad.
    ET.SubElement(crm, "Number", Prefix="Plus", MaxLength="")
    ET.SubElement(crm, "Connection", MaxConcurrentRequests="4")
    _parameters(crm, base_url.rstrip("/"), key)
    ET.SubElement(crm, "Authentication", Type="No")
    scenarios = ET.SubElement(crm, "Scenarios")
    name = quote(account, safe="")
    _lookup(scenarios, f"[BaseUrl]/caller-id/{name}?number=[Number]")
    hooks = f"[BaseUrl]/hooks/{name}"
    _post(scenarios, "ReportCall", f"{hooks}/call", _JOURNAL, skip_if="[ReportCallEnabled]!=True")
    automatic = "[CreateContactEnabled]!=True||[CallDirection]!=Inbound"
    _post(scenarios, "CreateContactRecord", f"{hooks}/contact", _CONTACT, skip_if=automatic)
    _post(scenarios, "CreateContactRecordFromClient", f"{hooks}/contact", _CONTACT)
    ET.indent(crm)
    made: bytes = ET.tostring(crm, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _parameters(crm: ET.Element, base_url: str, key: str) -> None:
    rows: Sequence[tuple[str, str, str, str]] = (
        ("BaseUrl", "String", "Trunkline's address:", base_url),
        ("ApiKey", "Password", "Key:", key),
        ("ReportCallEnabled", "Boolean", "Tell Trunkline of each call", "True"),
        ("CreateContactEnabled", "Boolean", "Tell Trunkline of each unknown caller", "False"),
    )
    parameters = ET.SubElement(crm, "Parameters")
    for name, kind, title, default in rows:
        more = {"Name": name, "Type": kind, "Parent": _GROUP, "Editor": "String", "Title": title, "Default": default}
        ET.SubElement(parameters, "Parameter", more)


def _lookup(scenarios: ET.Element, url: str) -> None:
    scenario = ET.SubElement(scenarios, "Scenario", Id="", Type="REST")
    _request(scenario, url, "Get")
    rules = ET.SubElement(scenario, "Rules")
    ET.SubElement(rules, "Rule", Type="Any").text = "contacts.id"
    variables = ET.SubElement(scenario, "Variables")
    for name, field in _FOUND.items():
        ET.SubElement(ET.SubElement(variables, "Variable", Name=name, Path=f"contacts.{field}"), "Filter")
    outputs = ET.SubElement(scenario, "Outputs", AllowEmpty="false")
    for kind, value in _OUTPUTS.items():
        ET.SubElement(outputs, "Output", Type=kind, Passes="0", Value=value)


def _post(
    scenarios: ET.Element, scenario_id: str, url: str, values: Mapping[str, str], *, skip_if: str | None = None
) -> None:
    scenario = ET.SubElement(scenarios, "Scenario", Id=scenario_id, Type="REST")
    request = _request(scenario, url, "Post", skip_if)
    posted = ET.SubElement(request, "PostValues")
    for key, value in values.items():
        passes = "2" if value.startswith("[[") else "1"
        ET.SubElement(posted, "Value", Key=key, Passes=passes, Type="String").text = value
    ET.SubElement(scenario, "Outputs", AllowEmpty="true")


def _request(scenario: ET.Element, url: str, kind: str, skip_if: str | None = None) -> ET.Element:
    """In a lookup the address is all that is sent."""
    encoding = "UrlEncoded" if kind == "Get" else "Json"
    request = ET.SubElement(scenario, "Request", Url=url, MessagePasses="0", RequestEncoding=encoding)
    request.attrib |= {"RequestType": kind, "ResponseType": "Json"} | ({"SkipIf": skip_if} if skip_if else {})
    headers = ET.SubElement(request, "Headers")
    ET.SubElement(headers, "Value", Key="Authorization", Passes="0", Type="String").text = "Bearer [ApiKey]"
    return request
