// The shop in the browser: the Segment SDK pointed at Harken, and whether someone is still here.
"use strict";

const shop = JSON.parse(document.getElementById("shop").textContent);

// Settings stand here, so that the SDK fetches none; `metrics` 0 keeps it from reporting on itself.
function loadAnalytics() {
  return window.AnalyticsNext.AnalyticsBrowser.load(
    {
      writeKey: shop.writeKey,
      cdnURL: `${location.origin}/sdk`,
      cdnSettings: {
        integrations: { "Segment.io": { apiKey: shop.writeKey } },
        metrics: { sampleRate: 0 },
        plan: {},
      },
    },
    {
      integrations: {
        "Segment.io": {
          apiHost: shop.apiHost,
          protocol: shop.protocol,
          // A request outlives the page, so a click that leads away loses no event.
          deliveryStrategy: { config: { keepalive: true } },
        },
      },
    },
  );
}

// The backend decides who this is: it sends events of its own under the same ids.
function agreeOnIdentity(user) {
  const known = user.id() || null;
  if (known && known !== shop.userId) user.reset();
  user.anonymousId(shop.anonymousId);
  if (shop.userId && known !== shop.userId) user.id(shop.userId);
}

async function sendCalls(analytics) {
  const [ready] = await analytics;
  agreeOnIdentity(ready.user());
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  // An identify is waited for: what follows must find its attributes in place.
  for (const call of shop.calls.filter((each) => each.method === "identify")) {
    const [userId, traits] = call.arguments;
    const all = { ...traits, timezone: zone };
    await (userId ? ready.identify(userId, all) : ready.identify(all));
  }
  ready.page(undefined, shop.page);
  for (const call of shop.calls.filter((each) => each.method === "track")) {
    ready.track(...call.arguments);
  }
}

function sayPresence(state) {
  navigator.sendBeacon("/presence", state);
}

function watchPresence() {
  const here = () => document.visibilityState === "visible" && sayPresence("here");
  here();
  setInterval(here, 2000);
  document.addEventListener("visibilitychange", () =>
    sayPresence(document.visibilityState === "visible" ? "here" : "left"),
  );
  window.addEventListener("pagehide", () => sayPresence("left"));
  window.addEventListener("pageshow", here);
}

if (shop.presence) watchPresence();
if (window.AnalyticsNext) {
  window.analytics = loadAnalytics();
  sendCalls(window.analytics).catch((error) => console.error("analytics", error));
}
