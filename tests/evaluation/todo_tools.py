"""The tools of AgentGym's to-do tasks, over an account in memory: projects, their tasks, the date and the place of
its user. The benchmark's own tools ask Todoist; what they show is shown here, and nothing leaves the process."""
import datetime
import json
import pathlib
import threading
from typing import Annotated

PROJECTS = pathlib.Path(__file__).with_name("todo_projects.json")  # what every account begins with
TASK_PREFIX = "gym-"  # before a task's key, its id at the server
PROJECT_ID = Annotated[str, "As get_projects gives it."]
TASK_ID = Annotated[str, "As get_tasks gives it."]
SHOWN = ("id", "order", "content", "is_completed", "priority", "due_date")  # of a task, where tasks are listed


class Account:
    """One user's projects and tasks. Calls may come from several threads. What fails is a ValueError in words for
    the agent."""

    def __init__(self, projects, date, location):
        self.date, self.location = date, location
        self._lock = threading.Lock()
        self._projects = [{"id": str(number), "order": number, "color": "charcoal", "name": project["name"],
                           "is_favorite": project["is_favorite"]} for number, project in enumerate(projects, 1)]
        self._tasks = [{**task, "id": f"{number}{order:02}", "project_id": str(number), "order": order,
                        "is_completed": False}
                       for number, project in enumerate(projects, 1) for order, task in enumerate(project["tasks"], 1)]

    def projects(self):
        with self._lock:
            return [dict(project) for project in self._projects]

    def tasks(self, project_id):
        with self._lock:
            self._find(self._projects, "project", project_id)
            return [self._shown(task) for task in self._tasks if task["project_id"] == project_id]

    def task(self, task_id, *fields):
        """Fields of a task, the id and the content first."""
        with self._lock:
            task = self._find(self._tasks, "task", task_id)
            return {field: task[field] for field in ("id", "content", *fields)}

    def set_favorite(self, project_id, is_favorite):
        with self._lock:
            project = self._find(self._projects, "project", project_id)
            project["is_favorite"] = is_favorite
            return dict(project)

    def set_due_date(self, task_id, due_date):
        try:
            datetime.datetime.strptime(due_date, "%Y-%m-%d")
        except ValueError as error:
            raise ValueError(f"'{due_date}' is no date; give one as YYYY-MM-DD") from error
        with self._lock:
            task = self._find(self._tasks, "task", task_id)
            task["due_date"] = due_date
            return self._shown(task)

    def remove(self, task_id):
        """Takes a task away, as deleting does, and as completing does too: what is done is no longer listed."""
        with self._lock:
            task = self._find(self._tasks, "task", task_id)
            self._tasks.remove(task)
            return self._shown(task)

    def state(self):
        """All there is, in the form of the benchmark's own records."""
        with self._lock:
            return {"projects": [self._without_id(project) for project in self._projects],
                    "tasks": [self._without_id(self._shown(task)) for task in self._tasks]}

    @staticmethod
    def _find(things, kind, wanted):
        found = next((each for each in things if each["id"] == wanted), None)
        if found is None:
            raise ValueError(f"there is no {kind} with the id '{wanted}'; get_{kind}s tells the ids")
        return found

    @staticmethod
    def _shown(task):
        return {field: task[field] for field in SHOWN}

    @staticmethod
    def _without_id(thing):
        return {field: value for field, value in thing.items() if field != "id"}


class Accounts:
    """An account for each task of the benchmark, made when it is first asked for."""

    def __init__(self, tasks, projects=None):
        self._projects = projects if projects is not None else json.loads(PROJECTS.read_text())
        self._settings = {key: task["additional_info"]["init_config"] for key, task in tasks.items()}
        self._lock = threading.Lock()
        self._accounts = {}

    def of(self, key):
        with self._lock:
            if key not in self._accounts:
                settings = self._settings[key]
                self._accounts[key] = Account(self._projects, settings["current_date"], settings["current_location"])
            return self._accounts[key]


def offers(accounts, troupe):
    """The tools as Troupe's Python package takes them."""
    def of(context):
        return accounts.of(context.task.rpartition(TASK_PREFIX)[2])

    def told(function, *arguments):
        try:
            return function(*arguments)
        except ValueError as error:
            raise troupe.ToolError(str(error)) from error

    @troupe.tool(read_only=True)
    def get_user_current_date(context: troupe.Context) -> str:
        """The user's current date, as YYYY-MM-DD."""
        return of(context).date

    @troupe.tool(read_only=True)
    def get_user_current_location(context: troupe.Context) -> str:
        """The city in which the user is."""
        return of(context).location

    @troupe.tool(read_only=True)
    def get_projects(context: troupe.Context) -> list[dict]:
        """All projects of the user's to-do account: id, order, color, name, is_favorite."""
        return of(context).projects()

    @troupe.tool(idempotent=True)
    def update_project(project_id: PROJECT_ID, is_favorite: bool, context: troupe.Context) -> dict:
        """Makes a project a favorite, or no longer one. Returns the project as it is then."""
        return told(of(context).set_favorite, project_id, is_favorite)

    @troupe.tool(read_only=True)
    def get_tasks(project_id: PROJECT_ID, context: troupe.Context) -> list[dict]:
        """The open tasks of a project: id, order, content (the task's name), is_completed, priority (from 1, normal,
        to 4, urgent), due_date."""
        return told(of(context).tasks, project_id)

    @troupe.tool(read_only=True)
    def get_task_description(task_id: TASK_ID, context: troupe.Context) -> dict:
        """A task's description: its place, tips and the like."""
        return told(of(context).task, task_id, "description")

    @troupe.tool(read_only=True)
    def get_task_duration(task_id: TASK_ID, context: troupe.Context) -> dict:
        """How long a task takes, as amount(unit)."""
        task = told(of(context).task, task_id, "duration", "duration_unit")
        return {"id": task["id"], "content": task["content"],
                "duration": f"{task['duration']}({task['duration_unit']})"}

    @troupe.tool
    def complete_task(task_id: TASK_ID, context: troupe.Context) -> dict:
        """Marks a task as completed. Completed tasks are no longer listed."""
        return {"message": "The task is completed.", "task": told(of(context).remove, task_id)}

    @troupe.tool(idempotent=True)
    def update_task(task_id: TASK_ID, due_date: Annotated[str, "YYYY-MM-DD"], context: troupe.Context) -> dict:
        """Gives a task another due date. Returns the task as it is then."""
        return told(of(context).set_due_date, task_id, due_date)

    @troupe.tool(destructive=True)
    def delete_task(task_id: TASK_ID, context: troupe.Context) -> dict:
        """Deletes a task for good."""
        return {"message": "The task is deleted.", "task": told(of(context).remove, task_id)}

    return [get_user_current_date, get_user_current_location, get_projects, update_project, get_tasks,
            get_task_description, get_task_duration, complete_task, update_task, delete_task]
