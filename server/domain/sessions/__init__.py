"""Sessions: what a learner does in one attempt on a package, and what follows from it.

`model` has the values, `course` what of a manifest a session needs, `judge` what an item's run-time data mean,
`roll_up` what the items mean for the session, `launches` what begins and ends, `commits` and `updates` what changes,
`run_data` what the run-time page is given, `statements` what of it is told as xAPI. All of them are pure functions: a
transition answers new values.
"""
