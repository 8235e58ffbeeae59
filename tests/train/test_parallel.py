import os
import socket
import subprocess
import sys

SCRIPT = """
import torch
from helios_world.train import parallel
rank, count = parallel.join()
values = torch.tensor([2.0, 4.0]) if rank == 0 else torch.zeros(2)
parallel.average(values, count)
module = torch.nn.BatchNorm1d(1)
module.running_mean.fill_(5 - rank)
parallel.share(module)
print(values.tolist(), parallel.agree(rank == 0), float(module.running_mean))
parallel.leave()
"""


def test_two_processes_average_their_gradients_and_agree() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT]
    processes = [
        subprocess.Popen(command, env=shared | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert outputs == ["[1.0, 2.0] True 5.0"] * 2
