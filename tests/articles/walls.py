"""A made set of pages that are no articles, in the wordings and markup of many kinds of walls."""

TEASER = (
    "Examplecorp is preparing to sell its packaging arm to a group of investors, people familiar with the matter "
    "said on Tuesday, in what would be the largest disposal in the history of the maker of household goods."
)
SECOND = (
    "The talks, which began in the spring after an approach by two funds, are at an advanced stage and could be "
    "announced as early as next week, although no agreement has been signed, the people said."
)


def _page(body: str, title: str = "Examplecorp to sell packaging arm", head: str = "") -> str:
    return (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{title}</title>{head}</head><body>"
        '<header><a href="/">The Daily</a><nav><a href="/m">Markets</a><a href="/l">Log in</a></nav></header>'
        f"{body}<footer><a href='/t'>Terms</a> Copyright 2026 The Daily</footer></body></html>"
    )


def _teaser(wall: str, *, n: int = 2, head: str = "", cut: str = "") -> str:
    texts = [TEASER, SECOND][:n]
    paragraphs = "".join(f"<p>{text}</p>" for text in texts[:-1]) + f"<p>{texts[-1]}{cut}</p>"
    return _page(
        f"<article><h1>Examplecorp to sell packaging arm</h1>{paragraphs}</article>{wall}", head=head
    )


_NOT_FREE = '<script type="application/ld+json">{"@type":"NewsArticle","headline":"Examplecorp","isAccessibleForFree":%s}</script>'

PAYWALLS = {
    "continue": _teaser("<div><h2>Subscribe to continue reading</h2><p>Only $1 a week. Cancel anytime.</p></div>"),
    "login": _teaser("<div><p>To continue reading, please log in or create an account.</p><p>Already a subscriber? Sign in</p></div>"),
    "limit": _teaser("<div><h3>You have reached your limit of free articles.</h3><a>Start your free trial</a></div>"),
    "members": _teaser("<div>This story is for members only. <a>Become a member</a></div>", n=1),
    "subscribers": _teaser("<div>This article is exclusive to subscribers. Already a subscriber? <a>Log in</a></div>"),
    "unlock": _teaser("<section><h2>Unlock this article</h2><p>Join now for £4 per month.</p></section>", cut="…"),
    "declared": _teaser("<div class='barrier'><p>Subscribe now for full access</p></div>", head=_NOT_FREE % "false"),
    "declared_text": _teaser("<div><p>Start your subscription. Billed monthly.</p></div>", head=_NOT_FREE % '"False"'),
    "class": _teaser("<div class='paywall-overlay'><p>Want to read more? Choose your plan</p></div>"),
    "cut": _teaser("<div id='paywall'><p>Log in</p></div>", cut="..."),
    "rest": _teaser("<div><p>Sign up to read the rest of this story. It is free for 30 days.</p></div>", cut=" [...]"),
    "full": _teaser("<div><p>Get full access to The Daily. Special offer: 3 months for $5</p></div>", n=1),
    "preview": _teaser("<div><p>You are reading a preview. The full article is available to subscribers.</p><a>Subscribe now</a></div>"),
    "remaining": _teaser("<div>You have 0 free articles remaining this month. Subscribe today.</div>"),
    "premium": _teaser("<div>Premium content. The rest is behind our paywall. Join today</div>", cut="…"),
    "german": _teaser("<div>Weiterlesen mit Daily Plus. Jetzt abonnieren, 1 Monat für 1 €. Bereits Abonnent? Anmelden</div>"),
    "french": _teaser("<div>Article réservé aux abonnés. Il vous reste 80 % de cet article à lire. 1 € par mois. Déjà abonné ?</div>"),
    "spanish": _teaser("<div>Contenido exclusivo para suscriptores. Para seguir leyendo, suscríbete por 1 € al mes.</div>", cut="…"),
    "italian": _teaser("<div>Contenuto riservato agli abbonati. Abbonati a 1 € al mese. Per continuare a leggere</div>"),
    "portuguese": _teaser("<div>Conteúdo exclusivo para assinantes. Assine já por R$ 1 por mês, 5 € por mês.</div>", cut="..."),
    "japanese": _teaser("<div>この記事は有料会員限定です。 <a>Log in</a> 1 week free trial</div>"),
    "register": _teaser("<div>Register for free to keep reading. Have an account? Sign in</div>"),
}  # fmt: skip


def _wall(text: str, title: str = "Just a moment...", extra: str = "") -> str:
    return f"<html><head><title>{title}</title></head><body><div>{text}</div>{extra}</body></html>"


BOT_WALLS = {
    "cloudflare": _wall("Checking your browser before accessing example.com. Ray ID: 7f2a", extra="<script src='/cdn-cgi/challenge-platform/x.js'></script>"),
    "cloudflare_js": _wall("Enable JavaScript and cookies to continue", extra="<script>window._cf_chl_opt={}</script>"),
    "cloudflare_new": _wall("example.com needs to review the security of your connection before proceeding. Verify you are human by completing the action below.", "example.com"),
    "cloudflare_block": _wall("Sorry, you have been blocked. You are unable to access example.com. Performance & security by Cloudflare", "Attention Required! | Cloudflare"),
    "akamai": _wall("You don't have permission to access \"http://example.com/\" on this server. Reference #18.2d351ab8", "Access Denied"),
    "perimeterx": _wall("Access to this page has been denied because we believe you are using automation tools to browse the website. Press & Hold to confirm you are a human (and not a bot). Reference ID 1f2e", "Access to this page has been denied", "<div id='px-captcha'></div>"),
    "datadome": _wall("Please enable JS and disable any ad blocker", "example.com", "<script src='https://geo.captcha-delivery.com/captcha/'></script>"),
    "incapsula": _wall("Request unsuccessful. Incapsula incident ID: 2330-12", "", "<iframe src='/_Incapsula_Resource?x'></iframe>"),
    "distil": _wall("Pardon Our Interruption. As you were browsing something about your browser made us think you were a bot. You're moving with super-human speed.", "Pardon Our Interruption"),
    "google": _wall("Our systems have detected unusual traffic from your computer network. This page checks to see if it's really you sending the requests, and not a robot.", "https://www.google.com/"),
    "recaptcha": _wall("I'm not a robot", "Security check", "<div class='g-recaptcha'></div>"),
    "hcaptcha": _wall("Please complete the security check to access the site.", "One more step", "<div class='h-captcha'></div>"),
    "bloomberg": _wall("To continue, please click the box below to let us know you're not a robot. Why did this happen? Please make sure your browser supports JavaScript and cookies.", "Are you a robot?"),
    "amazon": _wall("Enter the characters you see below. Sorry, we just need to make sure you're not a robot.", "Robot Check"),
    "rate": _wall("Too many requests. Your IP address has been temporarily blocked. Try again later.", "429 Too Many Requests"),
    "ddos": _wall("DDoS protection by DDoS-Guard. Checking your browser before accessing", "DDOS-GUARD"),
    "aws": _wall("Let's confirm you are human. Complete the security check before continuing.", "Human Verification", "<script src='https://x.awswaf.com/captcha.js'></script>"),
    "blocked": _wall("We have detected automated access from your network. Your access has been restricted.", "Request blocked"),
    "german": _wall("Bitte bestätigen Sie, dass Sie kein Roboter sind.", "Sicherheitsüberprüfung"),
    "french": _wall("Nous vérifions que vous êtes bien humain. Confirmez que vous n'êtes pas un robot.", "Un instant…"),
    "spanish": _wall("Hemos detectado tráfico inusual. Confirma que no eres un robot.", "Verificación"),
    "slider": _wall("Slide to complete the puzzle and prove you are human.", "Verification"),
}  # fmt: skip

_LINKS = "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(30))

EMPTY = {
    "nothing": "",
    "spaces": "  \n\n ",
    "no_body": "<html><head><title>Story</title></head><body></body></html>",
    "app": "<html><head><title>News</title></head><body><noscript>You need to enable JavaScript to run this app.</noscript><div id='root'></div></body></html>",
    "frame": _page(""),
    "headline": _page("<article><h1>Examplecorp to sell packaging arm</h1></article>"),
    "not_found": _page("<h1>Page not found</h1><p>The page you are looking for does not exist. It may have been moved, or the address was mistyped. Please check it and try again.</p>", "404 - Page not found"),
    "expired": _page("<p>This article is no longer available.</p>", "The Daily"),
    "menu": _page(f"<ul>{_LINKS}</ul>", "The Daily"),
    "video": _page("<article><h1>Watch: Examplecorp</h1><video src='a.mp4'></video><p>Watch the video above.</p></article>"),
    "consent": _page("<div><h1>Before you continue</h1><p>We and our 190 partners store and access information on a device, such as cookies, and process personal data. You can change your choices at any time in the privacy centre.</p><button>Accept all</button><button>Reject all</button></div>", "Before you continue"),
    "gallery": _page("<figure><img src='a.jpg'><figcaption>The works in the morning. Photo: A. Nother</figcaption></figure>" * 5),
    "error": _page("<h1>Internal Server Error</h1><p>Something went wrong.</p>", "500 Internal Server Error"),
    "maintenance": _page("<p>The Daily is down for maintenance. We will be back soon.</p>", "Under maintenance"),
    "scripts": _page("<script>var a = 'text '.repeat(500);</script><style>p {color: red}</style>"),
    "list": _page("<ul>" + "".join(f"<li><a href='/s{n}'>Examplecorp reports result number {n}</a></li>" for n in range(12)) + "</ul>", "Companies"),
    "json": '{"error": "no such page"}',
    "comment": "<!-- nothing here -->",
    "deep": "<div>" * 3000 + "</div>" * 3000,
    "binary": "\x00\x01\x02\x03" * 200,
}  # fmt: skip
