# Turns the Lua files into C strings: the first file is a prelude that goes in front of each of the others.
# common/lua/reserve.lua becomes `const char lua_reserve[]`; blank lines and whole-line comments are left out of what
# travels to Redis.
function base(path) { sub(/.*\//, "", path); sub(/\.lua$/, "", path); return path }
FNR == 1 {
    file++
    if (file > 2) printf ";\n"
    if (file > 1) {
        printf "extern const char lua_%s[];\nconst char lua_%s[] =\n%s", base(FILENAME), base(FILENAME), prelude
    }
}
/^[ \t]*(--.*)?$/ { next }
{
    line = $0
    gsub(/\\/, "&&", line)
    gsub(/"/, "\\\"", line)
    sub(/^[ \t]+/, "", line)
    text = "    \"" line "\\n\"\n"
    if (file == 1) prelude = prelude text
    else printf "%s", text
}
END { if (file > 1) printf ";\n" }
