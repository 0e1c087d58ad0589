// Writes the C++ file that holds the catalogues and abstractions: their texts, and the trees that parsing them gives.
//   embed OUTPUT CATALOGUE… -- ABSTRACTION…
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "profiles/yaml_pack.h"

namespace {

using namespace treadline;

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "embed: %s\n", why.c_str());
    std::exit(1);
}

std::string as_literal(std::string_view bytes) {
    constexpr size_t line = 100;
    std::string out;
    for (size_t at = 0; at < bytes.size(); ++at) {
        if (at % line == 0) {
            out += at == 0 ? "\"" : "\"\n        \"";
        }
        char escape[5]; // three digits, so that no digit behind it belongs to it
        std::snprintf(escape, sizeof escape, "\\%03o", static_cast<unsigned char>(bytes[at]));
        const bool plain = bytes[at] >= ' ' && bytes[at] <= '~' && bytes[at] != '"' && bytes[at] != '\\' && bytes[at] != '?';
        out += plain ? std::string(1, bytes[at]) : escape;
    }
    return out + "\"";
}

std::string entry_of(const std::string& path) {
    const std::string name(file_name(path));
    const auto text = sys::read_file(path);
    const auto tree = text ? parse_yaml(*text, name) : failure(text.error());
    if (!tree) {
        give_up(tree.error().message());
    }
    const std::string packed = pack_yaml(*tree);
    return "    {\"" + name.substr(0, name.rfind('.')) + "\",\n        {" + as_literal(*text) + ", " + std::to_string(text->size()) +
           "},\n        {" + as_literal(packed) + ", " + std::to_string(packed.size()) + "}},\n";
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        give_up("what shall be written, and from what?");
    }
    std::string text = "#include \"profiles/catalogue.h\"\n\nnamespace treadline {\nnamespace {\n\nconstexpr EmbeddedFile catalogues[] = {\n";
    for (int i = 2; i < argc; ++i) {
        text += std::string(argv[i]) == "--" ? "};\nconstexpr EmbeddedFile abstractions[] = {\n" : entry_of(argv[i]);
    }
    text += "};\n\n} // namespace\n\nconst std::span<const EmbeddedFile> embedded_catalogues = catalogues;\n"
            "const std::span<const EmbeddedFile> embedded_abstractions = abstractions;\n\n} // namespace treadline\n";
    const auto file = sys::open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!file || !sys::write_all(file->get(), text)) {
        give_up(std::string("cannot write ") + argv[1]);
    }
    return 0;
}
