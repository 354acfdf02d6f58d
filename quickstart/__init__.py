"""`make run`: the whole job on one machine, from an upload folder to production answers, on the real parts."""
