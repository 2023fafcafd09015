// The mail box page: what the sandbox caught, segments, and why; asks again every two seconds.
"use strict";

const said = JSON.parse(document.getElementById("said").textContent);
const at = (id) => document.getElementById(id);
const state = { who: "all", part: "html", open: null, mail: null, data: null };

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function clock(time) {
  const when = new Date(time);
  return Number.isNaN(when.getTime())
    ? ""
    : when.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function isMine(mail) {
  const you = state.data.you;
  return Boolean((you.user_id && mail.user_id === you.user_id) || (you.email && String(mail.to).includes(you.email)));
}

function showMails() {
  const every = state.data.mails;
  const mails = (every || []).filter((mail) => state.who === "all" || isMine(mail));
  at("no-mails").textContent = every === null ? said.down : mails.length ? "" : said.empty;
  at("mails").replaceChildren(
    ...mails.map((mail) => {
      const button = element("button", null, mail.id === state.open ? "open" : "");
      button.append(element("time", clock(mail.at)), element("b", mail.subject), element("span", mail.to));
      button.addEventListener("click", () => openMail(mail.id));
      const row = element("li");
      row.append(button);
      return row;
    }),
  );
}

async function openMail(id) {
  const answer = await fetch(`/mailbox/mail/${encodeURIComponent(id)}`);
  if (!answer.ok) return;
  state.open = id;
  state.mail = await answer.json();
  showMails();
  showMail();
  if (matchMedia("(max-width: 900px)").matches) at("mail-head").scrollIntoView({ behavior: "smooth" });
}

function headerText(headers) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers || {});
  return pairs.map(([name, value]) => `${name}: ${value}`).join("\n");
}

// A webhook was told JSON, on one line.
function plainText(mail) {
  return mail.channel === "webhook" ? JSON.stringify(JSON.parse(mail.text), null, 2) : mail.text;
}

function showMail() {
  const mail = state.mail;
  at("pick").hidden = true;
  at("mail-head").hidden = false;
  at("subject").textContent = mail.subject;
  at("between").textContent = `${mail.from} → ${mail.to}`;
  // What a webhook was told is no page: its text is all there is to see.
  const part = state.part === "html" && !mail.html ? "text" : state.part;
  at("mail").hidden = part !== "html";
  at("plain").hidden = part === "html";
  if (part === "html") at("mail").srcdoc = `<base target="_blank">${mail.html}`;
  else at("plain").textContent = part === "text" ? plainText(mail) : headerText(mail.headers);
}

function showSegments() {
  const every = state.data.segments || [];
  const number = new Intl.NumberFormat(document.documentElement.lang);
  at("groups").replaceChildren(
    ...every.map((one) => {
      const row = element("li", null, one.mine ? "mine" : "");
      const live = one.state === "live";
      const size = live ? number.format(one.count) : `${said.warming} ${Math.floor(one.progress * 100)}%`;
      row.append(element("span", said.segments[one.name]), element("b", size));
      if (one.mine) row.append(element("i", said.mine));
      row.dataset.segment = one.name;
      return row;
    }),
  );
}

function showWhy() {
  const { you, cart, why } = state.data;
  at("you").textContent = `${said.you_are} ${you.name ? `${you.name} (${you.email})` : said.anonymous}`;
  const told = said[`cart_${cart.state}`];
  at("cart-state").hidden = !told;
  at("cart-state").dataset.state = cart.state;
  at("cart-state").textContent = told ? `$${cart.value} — ${told}` : "";
  if (!why || !why.length) {
    const none = why ? said.nothing : said.nobody;
    at("journeys").replaceChildren(element("p", state.data.mails === null ? "" : none, "quiet"));
    return;
  }
  at("journeys").replaceChildren(
    ...why.map((one) => {
      const card = element("article");
      card.append(element("h3", one.journey), element("p", one.answer));
      const story = element("ol");
      for (const line of one.story || []) {
        const row = element("li");
        row.append(element("time", clock(line.at)), element("span", line.text));
        story.append(row);
      }
      card.append(story);
      return card;
    }),
  );
}

async function refresh() {
  try {
    const answer = await fetch("/mailbox/data");
    const text = await answer.text();
    at("pulse").dataset.on = String(answer.ok);
    // Unchanged lists are left alone, so that focus and selection stay where they are.
    if (answer.ok && text !== state.text) {
      state.text = text;
      state.data = JSON.parse(text);
      showMails();
      showSegments();
      showWhy();
    }
  } catch {
    at("pulse").dataset.on = "false";
  }
}

function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}

for (const [name, attribute, show] of [["who", "data-who", showMails], ["part", "data-part", showMail]]) {
  const buttons = document.querySelectorAll(`[${attribute}]`);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      state[name] = button.getAttribute(attribute);
      press(buttons, button);
      if (state.data) show();
    });
  }
}
refresh();
setInterval(refresh, 2000);
