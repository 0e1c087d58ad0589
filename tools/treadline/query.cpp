// `treadline query`: what the decision function says, one line an object.
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

struct QueryOptions : Options {
    std::string operation;
    std::vector<std::string> objects;
};

std::optional<Operation> parse_operation(std::string_view text) {
    if (text == "read") {
        return Operation::Read;
    }
    if (text == "write") {
        return Operation::Write;
    }
    if (text == "create") {
        return Operation::Create;
    }
    if (text == "exec") {
        return Operation::Execute;
    }
    if (text == "connect") {
        return Operation::Connect;
    }
    if (text == "syscall") {
        return Operation::Syscall;
    }
    if (text == "env") {
        return Operation::Environment;
    }
    return std::nullopt;
}

// The kernel judges what a path leads to, so a question about a symbolic link is one about its target. What does
// not exist is resolved as far as it does.
std::string resolved(const std::string& path) {
    if (auto whole = sys::realpath(path)) {
        return *whole;
    }
    if (path == "/") {
        return path;
    }
    const std::string parent = resolved(std::string(parent_path(path)));
    return join_path(parent, file_name(path));
}

// `exec git` asks about the git that PATH finds.
std::string found_in_path(const std::string& name, const Context& context) {
    const auto path = context.environment.find("PATH");
    if (path != context.environment.end()) {
        for (const std::string_view folder : split(path->second, ':')) {
            const std::string candidate = join_path(join_path(context.directory, folder), name);
            if (::access(candidate.c_str(), X_OK) == 0) {
                return candidate;
            }
        }
    }
    return join_path(context.directory, name);
}

result<Decision> answer(const Policy& policy, const Context& context, Operation operation, const std::string& object) {
    switch (operation) {
    case Operation::Read:
    case Operation::Write:
    case Operation::Create:
    case Operation::Execute: {
        const std::string expanded = TRY(context.variables.expand(object));
        const bool bare = operation == Operation::Execute && expanded.find('/') == std::string::npos;
        return policy.decide(operation, resolved(bare ? found_in_path(expanded, context)
                                                      : join_path(context.directory, expanded)));
    }
    case Operation::Connect:
        if (object.starts_with('/') || object.starts_with('@')) {
            return policy.decide(Operation::UnixConnect, object);
        }
        return policy.decide(operation, object);
    default:
        return policy.decide(operation, object);
    }
}

result<int> query(const QueryOptions& options) {
    const auto operation = parse_operation(options.operation);
    if (!operation) {
        return fail(fmt::format("unknown operation '{}'; one of read, write, create, exec, connect, syscall, env",
                                printable(options.operation)));
    }
    const Context context = TRY(make_context(options));
    const Policy policy = TRY(load_context_policy(context));
    nlohmann::json array = nlohmann::json::array();
    bool denied = false;
    std::string output;
    const auto ask = [&](const std::string& object) -> result<ok> {
        const Decision decision = TRY(answer(policy, context, *operation, object));
        denied |= !decision.allowed;
        if (options.json) {
            array.push_back({{"operation", options.operation},
                             {"object", printable(object)},
                             {"allowed", decision.allowed},
                             {"rule", decision.rule},
                             {"reason", decision.reason},
                             {"remedy", decision.remedy},
                             {"review", decision.review}});
        } else {
            output += decision.allowed ? fmt::format("allow\t{}\n", printable(decision.rule))
                                       : fmt::format("deny\t{}\n", printable(decision.reason));
        }
        return ok{};
    };
    for (const std::string& object : options.objects) {
        if (object != "-") {
            TRY(ask(object));
            continue;
        }
        for (std::string line; std::getline(std::cin, line);) {
            TRY(ask(line));
        }
    }
    if (options.json) {
        output = array.dump(2) + "\n";
    }
    TRY(sys::write_all(STDOUT_FILENO, output));
    return denied ? exit_found : exit_ok;
}

} // namespace

void add_query(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<QueryOptions>();
    CLI::App* command = app.add_subcommand("query", "Ask what the profile allows");
    add_profile_option(command, *options);
    add_json_option(command, *options);
    command->add_option("operation", options->operation, "read, write, create, exec, connect, syscall or env")->required();
    command->add_option("object", options->objects, "paths, host:port, requests ('GET http://host/path'), names; `-` reads one a line")->required();
    command->footer("Prints `allow<TAB>RULE` or `deny<TAB>REASON` for each object; exits 1 if any is denied.\n"
                    "Example:  treadline query read ~/.ssh/id_ed25519 src/main.c");
    command->callback([options, &invocation] {
        const auto status = query(*options);
        invocation.status = status ? *status : complain(status.error(), exit_usage);
    });
}

} // namespace treadline
