// What attacks on processes and services are made against: things of the same user outside.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/attacks/corpus.h"

namespace treadline::test {

// A process outside that holds a secret in its memory and, as descriptor 20, an open key.
class Victim {
public:
    // For Attack::prepare: adds its number to the words, and where its secret lies.
    [[nodiscard]] std::function<std::vector<std::string>(World&)> number() const;
    [[nodiscard]] std::function<std::vector<std::string>(World&)> number_and_address() const;
    [[nodiscard]] std::function<std::vector<std::string>(World&)> number_and_descriptor() const;
    // A file of its in /proc, and where its secret lies.
    [[nodiscard]] std::function<std::vector<std::string>(World&)> file_and_address(const std::string& name) const;

    [[nodiscard]] Success stopped_or_killed() const;
    [[nodiscard]] Success overwritten() const;
    [[nodiscard]] Success limited() const; // has no descriptors to open any more

private:
    std::shared_ptr<pid_t> pid_ = std::make_shared<pid_t>(-1);
};

// A service outside that listens on a UNIX socket: a path as World has them, or `@name`.
class Service {
public:
    explicit Service(std::string name) : name_(std::move(name)) {}
    [[nodiscard]] std::function<std::vector<std::string>(World&)> listens() const; // adds its name to the words
    [[nodiscard]] Success reached() const;

private:
    std::string name_;
    std::shared_ptr<int> socket_ = std::make_shared<int>(-1);
};

Success says_ok();
Success says(const std::string& text);

} // namespace treadline::test
