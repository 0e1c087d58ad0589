#include "tools/treadline/report_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/held_rules.h"

namespace treadline {
namespace {

// The command may have removed the report's file, or put one of its own in its place.
bool still_in_place(const std::string& file, int directory, int fd) {
    struct stat opened {};
    struct stat named {};
    return ::fstat(fd, &opened) == 0 &&
           ::fstatat(directory, std::string(file_name(file)).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

} // namespace

result<ReportFiles::Target> ReportFiles::open_file(ReportFormat format, const std::string& file, const Policy& policy) {
    Target target;
    target.format = format;
    target.file = file;
    if (const std::string link = makeable_link(file, policy); !link.empty()) {
        return fail(fmt::format("the report's path leads through '{}', a link that the command may have made; name another file",
                                printable(link)));
    }
    target.directory = TRY(sys::open(std::string(parent_path(file)), O_PATH | O_DIRECTORY));
    target.fd = TRY(sys::open(file, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
    return target;
}

result<ReportFiles> ReportFiles::open(const std::vector<std::string>& wanted, const Context& context, const Policy& policy) {
    ReportFiles files;
    for (const std::string& text : wanted) {
        const size_t colon = text.find(':');
        const auto format = report_format(text.substr(0, colon));
        const std::string place = colon != std::string::npos ? text.substr(colon + 1) : format == ReportFormat::Github ? "-" : "";
        if (!format || place.empty()) {
            return fail(fmt::format("--report wants FORMAT:FILE, as in json:denied.json ('-' is standard output), with {}; got '{}'",
                                    report_formats, printable(text)));
        }
        if (place == "-") {
            Target target;
            target.format = *format;
            files.targets_.push_back(std::move(target));
        } else {
            files.targets_.push_back(TRY(open_file(*format, join_path(context.directory, place), policy)));
        }
        const auto summary = context.environment.find("GITHUB_STEP_SUMMARY");
        if (format == ReportFormat::Github && summary != context.environment.end() && !summary->second.empty()) {
            Target target = TRY(open_file(*format, join_path(context.directory, summary->second), policy));
            target.summary = true;
            files.targets_.push_back(std::move(target));
        }
    }
    return files;
}

result<ok> ReportFiles::write_target(Target& target, const RunReport& report) {
    const std::string text = target.summary ? to_github_summary(report) : render(target.format, report);
    if (target.file.empty()) {
        return sys::write_all(STDOUT_FILENO, text);
    }
    if (!still_in_place(target.file, target.directory.get(), target.fd.get())) {
        const std::string name(file_name(target.file));
        say("the command removed or replaced the report " + printable(target.file) + "; it is written anew");
        ::unlinkat(target.directory.get(), name.c_str(), 0);
        target.fd = TRY(sys::openat(target.directory.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    }
    if (target.summary) { // the step's own words stay
        if (::lseek(target.fd.get(), 0, SEEK_END) < 0 && errno != ESPIPE) {
            return fail_errno("cannot append to the file");
        }
    } else if (::ftruncate(target.fd.get(), 0) != 0 && errno != EINVAL) { // EINVAL: a pipe or a device
        return fail_errno("cannot empty the file");
    }
    return sys::write_all(target.fd.get(), text);
}

std::vector<error> ReportFiles::write(const RunReport& report) {
    std::vector<error> problems;
    for (Target& target : targets_) {
        if (const auto written = write_target(target, report); !written) {
            problems.push_back({written.error().code, "cannot write the report " + printable(target.file)});
        }
    }
    return problems;
}

} // namespace treadline
