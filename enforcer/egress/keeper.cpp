#include "enforcer/egress/keeper.h"

#include <algorithm>
#include <utility>

namespace treadline::egress {
namespace {

std::string megabytes(size_t bytes) {
    return std::to_string(bytes >> 20) + " MiB";
}

bool is_compressed(const KeptExchange& one) {
    return std::any_of(one.fields.begin(), one.fields.end(), [](const auto& field) {
        return lower_case(field.first) == "content-encoding" && lower_case(field.second) != "identity" && !field.second.empty();
    });
}

} // namespace

KeptExchange asked_for(const Contact& contact, bool secure, std::string_view method, std::string_view target, const HttpFields& fields) {
    KeptExchange one;
    one.host = contact.name.empty() ? contact.address : contact.name;
    one.port = contact.port;
    one.secure = secure;
    one.method = method;
    one.target = redacted_target(target);
    one.conditions = to_lines(conditions_of(fields));
    for (const auto& [name, value] : fields) {
        if (lower_case(name) == "accept") {
            one.accept = value;
        }
    }
    return one;
}

std::unique_ptr<Keeper::One> Keeper::begin(const Contact& contact, bool secure, std::string_view method, std::string_view target,
                                           const HttpFields& fields) {
    secrets_.add(fields, target);
    KeptExchange one = asked_for(contact, secure, method, target, fields);
    const size_t size = one.target.size() + one.conditions.size() + one.accept.size();
    if (kept_.size() >= max_kept_exchanges || bytes_ + size > max_kept_bytes) {
        ++left_out_;
        return nullptr;
    }
    bytes_ += size;
    one.unusable = "its answer was broken off, or was not over when the command ended";
    kept_.push_back(std::move(one));
    return std::make_unique<One>(*this, kept_.size() - 1);
}

// What it says as it stands is why there is no answer, until there is one.
void Keeper::give_up(KeptExchange& one, std::string why) {
    bytes_ -= one.body.size();
    one.unusable = std::move(why);
    one.status = 0;
    one.reason.clear();
    HttpFields().swap(one.fields);
    std::string().swap(one.body);
}

Keeper::One::~One() {
    if (!done_) {
        keeper_.give_up(keeper_.kept_[place_], std::move(keeper_.kept_[place_].unusable));
    }
}

void Keeper::One::request_body(std::string_view bytes) {
    digest_ = digest_ ? digest_ : std::optional<Sha256>(Sha256());
    digest_->add(bytes);
}

void Keeper::One::answer(unsigned status, std::string_view reason, const HttpFields& fields) {
    KeptExchange& one = keeper_.kept_[place_];
    one.status = status;
    one.reason = reason;
    one.fields = redacted_fields(fields);
    const bool length_is_told = one.method == "HEAD" || status == 304; // of a body that does not come
    std::erase_if(one.fields, [&](const auto& field) { return !length_is_told && lower_case(field.first) == "content-length"; });
    keeper_.bytes_ += to_lines(one.fields).size();
}

void Keeper::One::body(std::string_view bytes) {
    KeptExchange& one = keeper_.kept_[place_];
    if (one.status == 0) {
        return; // given up
    }
    if (one.body.size() + bytes.size() > max_kept_body) {
        keeper_.give_up(one, "its answer is larger than " + megabytes(max_kept_body));
    } else if (keeper_.bytes_ + bytes.size() > max_kept_bytes) {
        keeper_.give_up(one, "all that was captured of the run is larger than " + megabytes(max_kept_bytes));
    } else {
        one.body += bytes;
        keeper_.bytes_ += bytes.size();
    }
}

void Keeper::One::done() {
    KeptExchange& one = keeper_.kept_[place_];
    one.body_digest = digest_ ? digest_->hex() : "";
    one.unusable = one.status == 0 ? std::move(one.unusable) : "";
    done_ = true;
}

KeptRun Keeper::take() {
    secrets_.prepare();
    KeptRun taken;
    for (KeptExchange& one : kept_) {
        if (secrets_.are_in(one.target + "\n" + one.conditions + one.accept)) {
            ++left_out_; // what was asked for cannot be told, either
            continue;
        }
        if (secrets_.are_in(one.reason + "\n" + to_lines(one.fields)) || secrets_.are_in(one.body)) {
            give_up(one, "its answer holds a secret: what the command sent as one, or a variable that is one");
        } else if (!secrets_.empty() && is_compressed(one)) {
            give_up(one, "its answer is compressed though it was asked for as it is, and could not be searched for the command's secrets");
        }
        if (std::string objection = objection_to(one); !objection.empty()) {
            give_up(one, "its answer holds " + std::move(objection));
        }
        if (objection_to(one).empty()) {
            taken.exchanges.push_back(std::move(one));
        } else {
            ++left_out_; // it is the request's
        }
    }
    kept_.clear();
    taken.left_out = left_out_;
    return taken;
}

} // namespace treadline::egress
