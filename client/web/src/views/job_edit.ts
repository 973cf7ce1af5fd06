/** What may be changed of a job at any time: its name for people, labels, priority, whether it is kept. */
import {Job} from "messages";
import {ask, attempt} from "web/app/notice";
import {h, toggle} from "web/dom";
import {idOf} from "web/format";
import {call} from "web/rpc/call";
import {field, labelsInput, labelsOf, labelsText} from "web/views/labels";

/** Asks in a dialog, and sends what was changed, no more. */
export async function editJob(job: Job, done: () => Promise<void>) {
  let pinned = job.pinned;
  const display = h("input", {value: job.display_name, maxlength: 200}), labels = labelsInput(job.labels),
        priority = h("input", {type: "number", step: 1, value: String(job.priority), required: true});
  const body =
      h("div", {}, field("Name", display), field("Labels", labels),
        field("Priority", priority, "More starts before less."),
        toggle("Kept: no rule of retention removes anything of it", pinned, (on) => {
          pinned = on;
        }));
  if (!await ask(`Change ${idOf(job.name)}`, body, "Change")) return;

  const next =
      {display_name: display.value.trim(), labels: labelsOf(labels.value), priority: priority.valueAsNumber, pinned};
  const paths = [
    next.display_name !== job.display_name && "display_name",
    labelsText(next.labels) !== labelsText(job.labels) && "labels",
    next.priority !== job.priority && "priority",
    next.pinned !== job.pinned && "pinned",
  ].filter((path): path is string => !!path);
  if (!paths.length) return;
  await attempt(async () => {
    await call("TrainingService/UpdateJob", {job: {name: job.name, etag: job.etag, ...next}, update_mask: {paths}});
    await done();
  }, "Changed");
}
