"""What SWIG parsed of the public headers for a language, by its own account (`swig -xmlout`), beside capi/api.json."""
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWIG = pathlib.Path(sys.executable).with_name("swig")
# What a raw layer declares besides C's functions (bindings/*/support.h): memory and objects have no C function.
OWN = {"python": {"tenon_python_buffer_address", "tenon_python_keep", "tenon_python_payload"},
       "java": {"tenon_java_address", "tenon_java_buffer", "tenon_java_slot", "tenon_java_slot_release", "tenon_java_payload"},
       "csharp": set()}


def swig_type(c):
    """A type of C as SWIG writes it: `const void **` is `p.p.q(const).void`."""
    function = re.fullmatch(r"(.+) \(\*\)\((.*)\)", c)
    if function:
        return f"p.{swig_function(function[1], function[2].split(', '))}"
    base = c.rstrip("* ")
    constant = base.startswith("const ")
    return "p." * c.count("*") + ("q(const)." if constant else "") + base.removeprefix("const ")


def swig_function(returns, parameters):
    return f"f({','.join(map(swig_type, parameters)) or 'void'}).{swig_type(returns)}"


def attributes(node):
    return {one.get("name"): one.get("value") for one in node.find("attributelist").findall("attribute")}


def parsed(language, build, folder):
    """{name: what it is} of all that SWIG will wrap: functions and members with their types and the parameters' names, constants
    with their values."""
    out = folder / f"{language}.xml"
    subprocess.run([SWIG, f"-{language}", "-module", "raw", "-xmlout", out, f"-I{ROOT / 'bindings/swig'}", f"-I{build / 'bindings'}",
                    f"-I{ROOT / 'include'}", "-outdir", folder, "-o", folder / f"{language}.c", ROOT / "bindings/swig/tenon.i"],
                   check=True, capture_output=True)
    top, found = xml.parse(out).getroot(), {}
    for struct in top.iter("class"):
        for member in struct.iter("cdecl"):
            about = attributes(member)
            found[f"{attributes(struct)['name']}.{about['name']}"] = about["decl"] + about["type"]
    for node in top.iter("cdecl"):
        about = attributes(node)
        if about["kind"] == "function" and "feature_ignore" not in about:
            names = [attributes(one).get("name", "") for one in node.findall("attributelist/parmlist/parm")]
            found[about["name"]] = about["decl"] + about["type"] + " " + ", ".join(name for name in names if name)
    for enum in top.iter("enum"):
        for item in enum.iter("enumitem"):
            found[attributes(item)["name"]] = attributes(item)["enumvalue"]
    for constant in top.iter("constant"):
        found[attributes(constant)["name"]] = attributes(constant)["value"].strip('"')
    return found


def wanted(api):
    """The same of capi/api.json."""
    found = {f.name: swig_function(f.returns, [p.type for p in f.parameters]) + " " + ", ".join(p.name for p in f.parameters)
             for f in api.functions}
    found |= {f"{s.name}.{m.name}": swig_type(m.type) for s in api.structs for m in s.members}
    return found | {c.name: str(c.value) for group in [api.constants, *(e.constants for e in api.enums)] for c in group}


def differences(language, build, folder, api):
    """What SWIG read otherwise than libclang: lines that name each."""
    ours, theirs = wanted(api), parsed(language, build, folder)
    for name in OWN[language]:
        theirs.pop(name, None)

    def value(text):
        return str(eval(text)) if re.fullmatch(r"[\d\s()+*-]+", text) else text
    return [f"{name}: SWIG has {theirs.get(name)}, api.json {ours.get(name)}" for name in sorted(ours.keys() | theirs.keys())
            if name not in ours or name not in theirs or value(theirs[name]) != value(ours[name])]
