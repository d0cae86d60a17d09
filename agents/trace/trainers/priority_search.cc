// PrioritySearch with the epsilon-net and the summarizer of POLCA (arXiv 2603.14769), on the graphs
// of Trace: the default. All candidates are kept; in each step those that promise most are gone on
// from, those among the new ones that are as good as known already are left out untried, and both
// the new ones and those gone on from are validated anew, so that a score that luck brought does
// not last.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "agents/trace/trainers/explore.h"
#include "agents/trace/trainers/novelty.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kSummarizer[] = "summarizer";
constexpr size_t kShownCandidates = 20;
constexpr size_t kShownValue = 1500;

class PrioritySearch : public Trainer {
 protected:
  class SearchRun : public Run {
   public:
    SearchRun(TrainingGround* ground, const TrainerOptions* options)
        : ground_(ground), options_(options) {}

    Async<bool> Step(const Scope& scope, int step) override {
      std::vector<TrainingCandidatePtr> parents = Chosen();
      if (options_->summarize && step > 1) {
        CO_ASSIGN_OR_RETURN(const std::string advice, co_await SumUp(scope));
        for (const TrainingCandidatePtr& parent : parents) parent->memory.context = advice;
      }
      CO_ASSIGN_OR_RETURN(const Explored explored,
                          co_await Explore(scope, *ground_, *options_, step, parents));
      std::vector<TrainingCandidatePtr> looked = Novel(explored.made);
      const bool finished = explored.made.empty() && explored.finished == parents.size();
      std::vector<size_t> items = FirstLook(scope, *ground_, *options_);
      // Where the whole set is looked at each time there is no luck to even out by another look.
      if (!items.empty()) looked.insert(looked.end(), parents.begin(), parents.end());
      CO_RETURN_IF_ERROR(
          co_await ValidateAll(scope, *ground_, std::move(looked), std::move(items)));
      CO_RETURN_IF_ERROR(co_await CompleteBest(scope, *ground_, 1));
      co_return !finished;
    }

   private:
    // Those with the highest bound, the best one always among them.
    std::vector<TrainingCandidatePtr> Chosen() const {
      std::vector<TrainingCandidatePtr> known;
      int all = 0;
      double least = 1;
      double most = 0;
      for (const TrainingCandidatePtr& candidate : ground_->candidates()) {
        if (candidate->validation.empty()) continue;
        known.push_back(candidate);
        all += candidate->ValidationTries();
        least = std::min(least, candidate->ValidationScore());
        most = std::max(most, candidate->ValidationScore());
      }
      const auto bound = [&](const TrainingCandidatePtr& candidate) {
        const double unknown =
            options_->exploration * std::sqrt(std::log(all + 1.0) / candidate->ValidationTries());
        return std::clamp(candidate->ValidationScore() + unknown * (most - least), 0.0, 1.0);
      };
      const TrainingCandidatePtr best = ground_->Best();
      std::stable_sort(known.begin(), known.end(),
                       [&](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                         if ((a == best) != (b == best)) return a == best;
                         return bound(a) > bound(b);
                       });
      if (known.size() > options_->candidates) known.resize(options_->candidates);
      return known;
    }

    // The farthest first, as long as they are farther than epsilon from all that is known.
    std::vector<TrainingCandidatePtr> Novel(std::vector<TrainingCandidatePtr> made) const {
      std::vector<TrainingCandidatePtr> net;
      for (const TrainingCandidatePtr& candidate : ground_->candidates()) {
        if (!candidate->validation.empty()) net.push_back(candidate);
      }
      std::vector<TrainingCandidatePtr> novel;
      const auto distance = [&](const TrainingCandidatePtr& candidate) {
        double nearest = 1e9;
        for (const TrainingCandidatePtr& each : net) {
          nearest = std::min(nearest, ValuesDistance(candidate->values, each->values));
        }
        return nearest;
      };
      while (!made.empty()) {
        const auto farthest =
            std::max_element(made.begin(), made.end(),
                             [&](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                               return distance(a) < distance(b);
                             });
        if (distance(*farthest) <= options_->novelty) break;
        (*farthest)->accepted = true;
        net.push_back(*farthest);
        novel.push_back(*farthest);
        made.erase(farthest);
      }
      for (const TrainingCandidatePtr& left_out : made) {
        left_out->note = "left out untried: too near to one that is known";
      }
      return novel;
    }

    // What a model makes of all that was tried: advice for the optimizer.
    Async<std::string> SumUp(const Scope& scope) const {
      Json shown = Json::array();
      const auto& all = ground_->candidates();
      const size_t first = all.size() > kShownCandidates ? all.size() - kShownCandidates : 0;
      for (size_t i = first; i < all.size(); ++i) {
        if (all[i]->validation.empty()) continue;
        shown.push_back({{"number", all[i]->number},
                         {"score", fmt::format("{:.3f}", all[i]->ValidationScore())},
                         {"values", Elide(DumpJson(all[i]->values), kShownValue)}});
      }
      CO_ASSIGN_OR_RETURN(ChatRequest request,
                          PromptRequest(scope, "trace.summarizer", {{"candidates", shown}}));
      CO_ASSIGN_OR_RETURN(const ChatReply reply,
                          co_await scope.Chat("summary", kSummarizer, std::move(request)));
      co_return reply.message.text();
    }

    TrainingGround* const ground_;
    const TrainerOptions* const options_;
  };

  std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                             TrainingCandidatePtr) const override {
    return std::make_unique<SearchRun>(&ground, &options);
  }
};

}  // namespace

std::unique_ptr<const Trainer> MakePrioritySearch() { return std::make_unique<PrioritySearch>(); }

}  // namespace troupe
