"""constants.rs and callbacks.rs of tenon-sys: constants with the types that functions take; a trait and trampolines for each
table of callbacks."""
from callbacks import WRITTEN, camel, callbacks_of, indent

NUMBERS = {"int32_t": "i32", "uint32_t": "u32", "int64_t": "i64", "uint64_t": "u64", "size_t": "usize", "double": "f64"}


def doc(text, by=0):
    return indent(text, by, "/// ") if text else ""


def constants(api):
    parts = [f"// {WRITTEN}", "use crate::*;"]
    for c in api.constants:
        type_, value = ("&str", f'"{c.value}"') if isinstance(c.value, str) else ("u32", c.value)
        parts += ["", *filter(None, [doc(c.doc)]), f"pub const {c.name}: {type_} = {value};"]
    for e in api.enums:
        parts += [""]
        for c in e.constants:
            parts += [*filter(None, [doc(c.doc)]), f"pub const {c.name}: {e.name} = {c.value};"]
    return "\n".join(parts) + "\n"


def raw_type(type_):
    if type_ in NUMBERS:
        return NUMBERS[type_]
    return {"const char *": "*const c_char", "void *": "*mut c_void", "void **": "*mut *mut c_void"}.get(type_, type_)


def public_type(a):
    return raw_type(a.type) if a.kind == "number" else "*mut c_void" if a.kind == "address" else "&str"


def returns(c):
    return f" -> Result<{'*mut c_void' if c.result else '()'}, CallbackError>" if c.fallible else ""


def trait(api, struct):
    lines = [doc(struct.doc), f"pub trait {camel(struct.noun)}Callbacks: Send + Sync {{"]
    for c in callbacks_of(api, struct):
        parameters = ", ".join(["&self", *(f"{a.name}: {public_type(a)}" for a in c.inputs)])
        lines += [doc(c.member.doc, 4), f"    fn {c.name}({parameters}){returns(c)};"]
    return "\n".join(lines + ["}"])


def trampoline(c):
    name = camel(c.struct.noun)
    parameters = ", ".join(["user_data: *mut c_void", *(f"{p.name}: {raw_type(p.type)}" for p in c.all)])
    values = ", ".join({"number": a.name, "address": a.name, "text": f"&text({a.name})",
                        "sized": f"&sized_text({a.name}, {a.name}_size)"}[a.kind] for a in c.inputs)
    lines = [f"unsafe extern \"C\" fn {c.struct.noun}_{c.name}({parameters}){' -> tn_error_t' if c.fallible else ''} {{",
             f"    let target = &*(user_data as *const Box<dyn {name}Callbacks>);"]
    call = f"target.{c.name}({values})"
    if c.result:
        lines += [f"    *{c.result.name} = std::ptr::null_mut();", f"    fallible(|| {call}.map(|given| *{c.result.name} = given))"]
    elif c.fallible:
        lines.append(f"    fallible(|| {call})")
    else:
        lines.append(f"    infallible(|| {call})")
    return "\n".join(lines + ["}"])


def table(api, struct):
    name = camel(struct.noun)
    fields = [f"        struct_size: std::mem::size_of::<{struct.name}>(),",
              "        user_data: Box::into_raw(Box::new(target)) as *mut c_void,"]
    fields += [f"        {c.name}: Some({struct.noun}_{c.name})," for c in callbacks_of(api, struct)]
    fields += [f"        release: Some(release::<Box<dyn {name}Callbacks>>),"]
    return "\n".join(["/// A table over a Rust object, which is dropped when the table is released. Give it to one function, once.",
                      f"pub fn {struct.name}_of(target: Box<dyn {name}Callbacks>) -> {struct.name} {{",
                      f"    {struct.name} {{", *fields, "    }", "}"])


def callbacks(api):
    parts = [f"""// {WRITTEN}
use crate::slots::{{fallible, infallible, release, sized_text, text, CallbackError}};
use crate::*;
use std::os::raw::{{c_char, c_void}};"""]
    for struct in api.structs:
        parts += [trait(api, struct), *(trampoline(c) for c in callbacks_of(api, struct)), table(api, struct)]
    return "\n\n".join(parts) + "\n"


def sources(api):
    return {"constants.rs": constants(api), "callbacks.rs": callbacks(api)}
