"""Looking at .sinr files in a browser: a page, and a server for it. What the page is made of is in `web/`."""
