"""What an app does every day, with ParsePy."""

import datetime
import os
import subprocess
import tempfile
import unittest

import parse_rest.connection

APP_ID, REST_KEY, MASTER_KEY = "compat", "compat-rest-key", "compat-master-key"


class Server:
    """The real binary on a free port and an empty folder."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="basalt-compat-")
        self.process = subprocess.Popen(
            [os.environ["BASALT_BIN"], "serve", "--mode", "development"]
            + ["--data-dir", self.folder.name, "--listen", "127.0.0.1:0"],
            env={
                "PATH": os.environ["PATH"],
                "BASALT_APP_ID": APP_ID,
                "BASALT_REST_KEY": REST_KEY,
                "BASALT_MASTER_KEY": MASTER_KEY,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.origin = line.split()[-1]
                return
        raise RuntimeError("the server did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


SERVER = Server()
unittest.addModuleCleanup(SERVER.stop)
# The SDK reads its address when its other modules are loaded.
parse_rest.connection.API_ROOT = f"{SERVER.origin}/parse"

from parse_rest.connection import SessionToken, register  # noqa: E402
from parse_rest.core import ResourceRequestBadRequest, ResourceRequestNotFound  # noqa: E402
from parse_rest.datatypes import Function, GeoPoint, Object  # noqa: E402
from parse_rest.installation import Installation  # noqa: E402
from parse_rest.query import QueryResourceDoesNotExist  # noqa: E402
from parse_rest.role import Role  # noqa: E402
from parse_rest.user import User  # noqa: E402


class Game(Object):
    pass


class Score(Object):
    pass


class Everyday(unittest.TestCase):
    def setUp(self):
        register(APP_ID, REST_KEY)

    def test_objects_come_back_as_they_were(self):
        game = Game(title="chess")
        game.save()
        when = datetime.datetime(2001, 2, 3, 4, 5, 6)
        score = Score(points=7, player="Bob", when=when, at=GeoPoint(12.5, -34.25), game=game, tags=["a", "b"])
        score.save()
        found = Score.Query.get(objectId=score.objectId)
        self.assertEqual((found.points, found.player, found.when), (7, "Bob", when))
        self.assertEqual((found.at.latitude, found.at.longitude), (12.5, -34.25))
        self.assertEqual((found.game.objectId, found.game.title), (game.objectId, "chess"))
        self.assertEqual(found.tags, ["a", "b"])

        found.increment("points", 2)
        found.player = "Eve"
        found.save()
        found.remove("tags")
        again = Score.Query.get(objectId=score.objectId)
        self.assertEqual((again.points, again.player), (9, "Eve"))
        self.assertFalse(hasattr(again, "tags"))
        again.delete()
        with self.assertRaises(QueryResourceDoesNotExist):
            Score.Query.get(objectId=score.objectId)

    def test_queries(self):
        class Level(Object):
            pass

        for n in range(6):
            Level(n=n, even=n % 2 == 0, at=GeoPoint(n, n)).save()
        self.assertEqual([o.n for o in Level.Query.filter(n__gte=2, even=True).order_by("-n")], [4, 2])
        self.assertEqual([o.n for o in Level.Query.filter(n__in=[1, 5]).order_by("n")], [1, 5])
        self.assertEqual([o.n for o in Level.Query.all().order_by("n").skip(2).limit(2)], [2, 3])
        self.assertEqual([o.n for o in Level.Query.filter(at__nearSphere=GeoPoint(3, 3)).limit(1)], [3])
        self.assertEqual(Level.Query.filter(n__exists=True).count(), 6)

    def test_users_sessions_and_roles(self):
        user = User.signup("ada", "secret", phone="555")
        token = User.login("ada", "secret").sessionToken
        with SessionToken(token):
            self.assertEqual(User.current_user().objectId, user.objectId)
        with self.assertRaisesRegex(ResourceRequestNotFound, '"code":101'):
            User.login("ada", "wrong")

        register(APP_ID, REST_KEY, master_key=MASTER_KEY)
        role = Role(name="editors", ACL={"*": {"read": True}})
        role.save()
        role.addRelation("users", "_User", [user.objectId])
        page = Game(title="for editors", ACL={"role:editors": {"read": True}})
        page.save()
        register(APP_ID, REST_KEY)
        self.assertEqual(Game.Query.filter(title="for editors").count(), 0)
        with SessionToken(token):
            self.assertEqual(Game.Query.filter(title="for editors").count(), 1)

    def test_installations(self):
        register(APP_ID, REST_KEY, master_key=MASTER_KEY)
        device = Installation(deviceType="ios", deviceToken="a" * 64, channels=["news"])
        device.save()
        Installation.update_channels(device.objectId, {"sport"}, {"news"})
        self.assertEqual(Installation.Query.get(objectId=device.objectId).channels, ["sport"])

    def test_what_there_is_no_code_for_is_refused(self):
        with self.assertRaisesRegex(ResourceRequestBadRequest, '"code":141'):
            Function("missing")()


if __name__ == "__main__":
    unittest.main()
