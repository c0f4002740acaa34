"""The player's pages, styles and JavaScript modules: shell (base origin) and run-time page (content origin)."""
