# Turns the Lua files into C strings. Of each script the text that travels to Redis is the prelude, the parts that its line
# `-- Parts: ...` names, and itself: reserve.lua becomes `const char lua_reserve[]`. Blank lines and whole-line comments
# stay here.
function base(path) { sub(/.*\//, "", path); sub(/\.lua$/, "", path); return path }
function finish() {
    if (script == "") return
    printf "extern const char lua_%s[];\nconst char lua_%s[] =\n%s", script, script, prelude
    count = split(needed, names, /[ ,]+/)
    for (i = 1; i <= count; i++) {
        if (!(names[i] in parts)) {
            printf "%s.lua: there is no part `%s`\n", script, names[i] >"/dev/stderr"
            exit failed = 1
        }
        printf "%s", parts[names[i]]
    }
    printf "%s;\n", text
    script = text = needed = ""
}
FNR == 1 {
    finish()
    is_prelude = FILENAME ~ /\/prelude\.lua$/
    part = FILENAME ~ /\/parts\// ? base(FILENAME) : ""
    if (!is_prelude && part == "") script = base(FILENAME)
}
/^-- Parts: / { needed = substr($0, 11) }
/^[ \t]*(--.*)?$/ { next }
{
    line = $0
    gsub(/\\/, "&&", line)
    gsub(/"/, "\\\"", line)
    sub(/^[ \t]+/, "", line)
    line = "    \"" line "\\n\"\n"
    if (is_prelude) prelude = prelude line
    else if (part != "") parts[part] = parts[part] line
    else text = text line
}
END { if (!failed) finish() }
