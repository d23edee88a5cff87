"""What backends behind a socket share: addresses, a client, patience, queues and the way to one thread.

In: addresses and requests. Out: answers. It knows no server's language: `openai_api` and `ollama` do.

    address    where a server is, and what may be said about it      failure   what went wrong, in one line
    wire       one connection pool, bounded and without redirects    patience  back-off and Retry-After
    flow       endpoints with queues of their own, shared work       bridge    an event loop beside one thread
    session    requests -> answers, for both backends                prompt_size  what does not fit or was cut
    schema     the task's answer as JSON schema                      greet     whether anything answers
    first_token  its likeliest alternatives                          thoughts  what is told beside an answer
"""
