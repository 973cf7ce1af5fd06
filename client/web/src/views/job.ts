/** A job: how it stands, what may be done with it, and tabs for all that there is to see of it. */
import {Job, JobState} from "messages";
import {Account, account, mayChange, mayMake} from "web/app/account";
import {Change, isTerminal, JobFeed} from "web/app/feed";
import {ask, attempt, errorBox} from "web/app/notice";
import {address, go, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, Child, h, name, replace, tabs} from "web/dom";
import {ago, count, dateTime, duration, idOf, num, percent, seconds} from "web/format";
import {call} from "web/rpc/call";
import {checkpointsTab} from "web/views/job_checkpoints";
import {configurationTab} from "web/views/job_configuration";
import {curvesTab} from "web/views/job_curves";
import {editJob} from "web/views/job_edit";
import {evaluationTab} from "web/views/job_evaluation";
import {eventsTab} from "web/views/job_events";
import {layersTab} from "web/views/job_layers";
import {figureOf, labelChips, loading, progressBar, progressText, queueText, stateBadge} from "web/views/parts";
import {shareLink, sharingText} from "web/views/sharing";

/** Gives what to do when the params of the address change; false: build it anew. */
export type Tab = (feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) => void|((route: Route) => boolean);

const tabList: [string, string, Tab][] = [
  ["curves", "Curves", curvesTab],
  ["layers", "Layers", layersTab],
  ["events", "Events", eventsTab],
  ["configuration", "Configuration", configurationTab],
  ["checkpoints", "Checkpoints", checkpointsTab],
  ["evaluation", "Evaluation", evaluationTab],
];

type Verb = "PauseJob"|"ResumeJob"|"StopJob"|"CancelJob";

/** What may be asked for in each state: docs/job-life.md. */
const verbs: [Verb, string, JobState[], string][] = [
  ["PauseJob", "Pause", ["JOB_STATE_RUNNING", "JOB_STATE_QUEUED"], "Gives its threads back and keeps its place"],
  [
    "ResumeJob", "Resume", ["JOB_STATE_PAUSED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"],
    "Goes on from its newest checkpoint"
  ],
  ["StopJob", "Stop", ["JOB_STATE_RUNNING"], "Ends early and well, evaluated and with a checkpoint"],
  [
    "CancelJob", "Cancel", ["JOB_STATE_RUNNING", "JOB_STATE_QUEUED", "JOB_STATE_PAUSED", "JOB_STATE_PAUSING"],
    "Ends it where it is"
  ],
];

export function jobView(route: Route, root: HTMLElement, scope: Scope) {
  const id = route.path[1], jobName = `jobs/${id}`, feed = new JobFeed(jobName, scope);
  const head = h("div", {class: "job-head"}), link = h("div", {class: "box warn", role: "status", hidden: true});
  const content = h("div", {class: "tab"}), bar = h("div");
  let tabScope: Scope|undefined, tab = "", update: ((route: Route) => boolean)|undefined;
  document.title = `${id} · traind`;
  replace(root, loading());

  function openTab(now: Route) {
    const wanted = now.params.get("tab") ?? "curves";
    if (wanted === tab && update?.(now)) return;
    tab = wanted;
    tabScope?.close();
    tabScope = scope.child();
    replace(
        bar,
        tabs(
            "Parts of the job", tabList.map(([key, label]) => [key, label]), tab,
            (key) => address(["jobs", id], {tab: key})));
    const shownTab = bar.querySelector<HTMLElement>("[aria-current]");
    if (shownTab?.parentElement)
      shownTab.parentElement.scrollLeft = shownTab.offsetLeft - 60;  // On a narrow screen it may be out of sight.
    replace(content);
    update = (tabList.find(([key]) => key === tab) ?? tabList[0])[2](feed, content, tabScope, now) || undefined;
  }

  Promise.all([account(), feed.start()])
      .then(
          ([who]) => {
            replace(root, head, link, bar, content);
            showHead(feed, who, head);
            openTab(route);
            feed.listen((change: Change) => {
              if (change === "job") showHead(feed, who, head);
              if (change === "link") {
                link.hidden = !feed.link;
                link.textContent = feed.link;
              }
            }, scope);
          },
          (error: unknown) => {
            if (!scope.closed)
              replace(root, h("h1", {}, name(id)), errorBox(error), h("p", {}, h("a", {href: "#/jobs"}, "All jobs")));
          });

  return (now: Route) => {
    if (feed.job) openTab(now);
    return true;
  };
}

/** What is shown already. The row with the buttons is made anew only when they change, and not while one is held down: a
 *  press that ends on another element is no click. */
const shown = new WeakMap<HTMLElement, string>();

function showOnce(part: HTMLElement, of: unknown, make: () => Child) {
  const text = JSON.stringify(of);
  if (shown.get(part) === text || part.matches(":active")) return;
  shown.set(part, text);
  replace(part, make());
}

function showHead(feed: JobFeed, who: Account, head: HTMLElement) {
  const job = feed.job!, p = job.progress, speed = feed.curves.one("QUANTITY_EXAMPLES_PER_SECOND").values;
  if (!head.firstChild) head.append(h("div", {class: "head"}), h("div"));
  const [title, rest] = [...head.children] as HTMLElement[];
  showOnce(
      title, [job.state, job.state_reason, job.display_name, !!p?.checkpoint_step],
      () =>
          [h("h1", {}, name(job.display_name || idOf(job.name))), h("code", {class: "quiet"}, idOf(job.name)),
           stateBadge(job), h("span", {class: "push"}), actions(feed, who)]);
  showOnce(rest, [job.etag, p, speed[speed.length - 1], job.queue], () => facts(job, speed[speed.length - 1]));
}

function facts(job: Job, speed: number|undefined): Child {
  const p = job.progress, accuracy = p?.evaluation_accuracy,
        took = !job.start_time || !job.end_time ? undefined :
      job.trained                               ? seconds(job.trained) :
                                                  seconds(job.end_time) - seconds(job.start_time);
  return [
    h("div", {class: "progress-line"}, progressBar(job), h("span", {}, progressText(job))),
    job.queue ? h("p", {class: "hint"}, queueText(job)) : null,
    job.error ? h("div", {class: "box bad"}, h("b", {}, job.error.message),
                  job.error.last_log_lines.length ? h("pre", {}, job.error.last_log_lines.join("\n")) : null) :
                null,
    job.warnings.length ? h("details", {class: "box warn"}, h("summary", {}, `${count(job.warnings.length)} to know`),
                            h("ul", {}, job.warnings.map((warning) => h("li", {}, warning)))) :
                          null,
    h("div", {class: "figures"}, figureOf("train loss", p?.step ? num(p.mean_loss ?? p.loss) : "–"),
      figureOf("evaluation loss", num(p?.evaluation_loss)),
      accuracy === undefined ? null : figureOf("accuracy", percent(accuracy)),
      p?.best ? figureOf(`best ${p.best.metric}`, num(p.best.value), `of step ${count(p.best.step)}`) : null,
      p?.test_loss === undefined ? null : figureOf("TEST loss", num(p.test_loss)),
      p?.test_accuracy === undefined ? null : figureOf("TEST accuracy", percent(p.test_accuracy)),
      figureOf("epoch", p?.steps_per_epoch ? (p.step / p.steps_per_epoch).toFixed(2) : "–"),
      speed === undefined ? null : figureOf("examples per s", count(speed)),
      took === undefined ? null : figureOf("took", duration(took)), figureOf("threads", job.threads),
      figureOf("data", h("a", {href: address(["datasets", idOf(job.dataset)])}, name(idOf(job.dataset)))),
      job.owner ? figureOf("owner", name(job.owner), sharingText(job.sharing)) : null,
      job.priority ? figureOf("priority", job.priority) : null, job.pinned ? figureOf("kept", "from retention") : null,
      figureOf("created", h("time", {title: dateTime(job.create_time!)}, ago(job.create_time))),
      job.forked_from ? figureOf(
                            "forked from",
                            h("a", {href: address(["jobs", job.forked_from.split("/")[1]])},
                              name(job.forked_from.replace(/^jobs\//, "").replace("/checkpoints/", " at ")))) :
                        null),
    job.labels.size ? h("div", {class: "chips"}, labelChips(job.labels)) : null,
  ];
}

function actions(feed: JobFeed, who: Account): HTMLElement {
  const job = feed.job!, id = idOf(job.name);
  const act = (verb: Verb, label: string) => void attempt(async () => {
    await call(`TrainingService/${verb}`, {name: job.name});
    await feed.refresh();
  }, `${label}: asked for`);
  const own = mayChange(who, job.owner);
  const items: (HTMLElement|null)[] =
      verbs.filter(([, , states]) => own && states.includes(job.state))
          .map(([verb, label, , title]) => button(label, () => {
                 if (verb !== "CancelJob") {
                   act(verb, label);
                   return;
                 }
                 void ask(
                     `Cancel ${id}?`, h("p", {}, "It stops where it is and leaves a checkpoint; it can be resumed."),
                     "Cancel it", true)
                     .then((yes) => {
                       if (yes) act(verb, label);
                     });
               }, {title, class: verb === "CancelJob" ? "danger" : undefined}));
  if (own && job.state === "JOB_STATE_SUCCEEDED")
    items.push(button("Extend", () => void extendJob(feed), {title: "More to train"}));
  if (mayMake(who) && (job.progress?.checkpoint_step || isTerminal(job)))
    items.push(button(
        "Fork", () => go(address(["new"], {fork: id})), {title: "A new job that begins at a checkpoint of this one"}));
  if (own)
    items.push(button(
        "Change", () => void editJob(feed.job!, () => feed.refresh()),
        {title: "Name, labels, priority, whether it is kept"}));
  items.push(shareLink(job.name, who), button("Compare", () => go(address(["compare"], {jobs: id})), {}));
  if (own && (isTerminal(job) || job.state === "JOB_STATE_PAUSED"))
    items.push(button("Delete", () => void deleteJob(job), {class: "danger"}));
  return h("div", {class: "actions"}, items);
}

async function deleteJob(job: Job) {
  const yes = await ask(
      `Delete ${idOf(job.name)}?`, h("p", {}, "Its events and checkpoints go with it, for good."), "Delete it", true);
  if (yes)
    await attempt(async () => {
      await call("TrainingService/DeleteJob", {name: job.name, etag: job.etag});
      go("#/jobs");
    }, "Deleted");
}

async function extendJob(feed: JobFeed) {
  const job = feed.job!, perEpoch = job.progress?.steps_per_epoch || 1,
        now = Math.max(1, Math.round((job.progress?.total_steps ?? 0) / perEpoch));
  const epochs =
            h("input", {type: "number", min: 1, value: String(2 * now), required: true, oninput: () => void check()}),
        told = h("div", {role: "status"});
  async function check() {
    try {
      const would = await call(
          "TrainingService/ExtendJob", {name: job.name, epochs: epochs.valueAsNumber || 0, validate_only: true});
      replace(told, would.warnings.map((warning) => h("div", {class: "box warn"}, warning)));
    } catch (error) {
      replace(told, errorBox(error));
    }
  }
  void check();
  const yes = await ask(
      `Extend ${idOf(job.name)}`,
      [h("label", {class: "field"}, h("span", {}, `Epochs in all, more than ${now}`), epochs), told], "Extend");
  if (yes)
    await attempt(async () => {
      await call("TrainingService/ExtendJob", {name: job.name, epochs: epochs.valueAsNumber, etag: job.etag});
      await feed.refresh();
    }, "Queued to train on");
}
