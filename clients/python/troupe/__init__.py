"""Serves tools and environments to the agents of a Troupe server.

    import troupe

    @troupe.tool(read_only=True)
    def population(city: str) -> int:
        '''How many people live in a city.

        Args:
            city: The city's name, in English.
        '''
        return {"Lagos": 15_388_000}[city]

    troupe.serve(population, server="127.0.0.1:7433")
"""
from .environment import Environment, State
from .provider import AttachError, Provider, serve
from .results import File, Image, Result
from .tools import Cancelled, Context, Tool, ToolError, tool

__all__ = ["AttachError", "Cancelled", "Context", "Environment", "File", "Image", "Provider", "Result", "State",
           "Tool", "ToolError", "serve", "tool"]
__version__ = "0.1.0"
