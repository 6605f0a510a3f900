"""The reference as pages: one for each public header, from capi/api.json, with where each language's layer calls a function."""
import re

LANGUAGES = {"cpp": "C++", "python": "Python", "java": "Java", "csharp": "C#", "rust": "Rust"}


def anchor(name):
    return name.lower()


def linked(text, pages, here):
    """Names of functions and types in comments become links to where they are described."""
    def link(match):
        name = match.group(1)
        page = pages.get(name)
        if page is None:
            return match.group(0)
        return f"[`{name}`]({'' if page == here else page + '.md'}#{anchor(name)})"

    parts = re.split(r"(```.*?```|`[^`]*`)", text, flags=re.S)
    for i, part in enumerate(parts):
        if part.startswith("```"):
            continue
        if part.startswith("`"):
            inner = re.fullmatch(r"`(tn_\w+)(\(\))?`", part)
            parts[i] = link(inner) if inner else part
        else:
            parts[i] = re.sub(r"\b(tn_\w+)(?:\(\))?", link, part)
    return "".join(parts)


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def kind(parameter):
    words = [w for w, there in (("out", parameter["role"] == "out"), ("owned by the receiver", parameter.get("owned")),
                                ("borrowed", parameter.get("borrowed")), ("may be NULL", parameter.get("nullable"))) if there]
    if parameter.get("length"):
        words.append(f"{parameter['length']} of them")
    return ", ".join(words)


def signature(function):
    inside = ",\n    ".join(f"{p['type']}{'' if p['type'].endswith('*') else ' '}{p['name']}" for p in function["parameters"]) or "void"
    return f"{function['returns']} {function['name']}({inside});"


def function_text(function, pages, here, called_by):
    out = [f"### {function['name']} {{ #{anchor(function['name'])} }}", "", "```c", signature(function), "```", ""]
    out += [linked(function.get("doc", ""), pages, here), ""]
    if any(p.get("doc") for p in function["parameters"]):
        out += ["| parameter | | |", "| --- | --- | --- |"]
        out += [f"| `{p['name']}` | {cell(kind(p))} | {cell(linked(p.get('doc', ''), pages, here))} |" for p in function["parameters"]]
        out.append("")
    if function.get("returns_doc"):
        out += [f"**Returns** {linked(function['returns_doc'], pages, here)}", ""]
    users = [f"{LANGUAGES[language]} {', '.join(f'[{path.name}](../{path})' for path in paths)}"
             for language, paths in called_by.get(function["name"], {}).items()]
    out += [f"Since {function['since']}." + (" Called by: " + "; ".join(users) + "." if users else ""), ""]
    return out


def constants_text(entries):
    out = ["| constant | value | |", "| --- | ---: | --- |"]
    return out + [f"| `{c['name']}` | {c['value']} | {cell(c.get('doc', ''))} |" for c in entries] + [""]


def write(api, folder, called_by):
    """Returns the names of the pages, in the headers' order."""
    pages = {}
    for section in ("functions", "handles", "enums", "structs"):
        for entry in api[section]:
            pages[entry["name"]] = entry["header"].removesuffix(".h")
    names = []
    for header in api["headers"]:
        here = header["name"].removesuffix(".h")
        of = {section: [e for e in api[section] if e["header"] == header["name"]]
              for section in ("functions", "handles", "enums", "structs", "constants")}
        out = [f"# {header['name']}", "", linked(header.get("brief", ""), pages, here), "", linked(header.get("doc", ""), pages, here), ""]
        if of["constants"]:
            out += ["## Constants", "", *constants_text(of["constants"])]
        for title, section in (("Types", "handles"), ("Enumerations", "enums"), ("Structures", "structs")):
            if not of[section]:
                continue
            out += [f"## {title}", ""]
            for entry in of[section]:
                out += [f"### {entry['name']} {{ #{anchor(entry['name'])} }}", "", linked(entry.get("doc", ""), pages, here), ""]
                if section == "enums":
                    out += constants_text(entry["constants"])
                if section == "structs":
                    out += ["| member | type | |", "| --- | --- | --- |"]
                    out += [f"| `{m['name']}` | `{cell(m['type'])}` | {cell(linked(m.get('doc', ''), pages, here))} |" for m in entry["members"]]
                    out.append("")
        if of["functions"]:
            out += ["## Functions", ""]
            for function in of["functions"]:
                out += function_text(function, pages, here, called_by)
        (folder / f"{here}.md").write_text("\n".join(out) + "\n")
        names.append(here)
    return names
