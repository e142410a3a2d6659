"""virtme-ng's side of the benchmark of boots: the same kernel, memory and arguments.

    python vng_once.py VMLINUZ PROGRAM      exit code 0 when the System RAM is what was planned

A person's way: `vng --run` with the layout's arguments, and a look at what /proc/iomem says.
"""

import re
import subprocess
import sys

# The machine and the layout of simulate_once.py. Where the nodes lie differs: vng lets QEMU put
# them, so the sum over both is looked at.
MACHINE = ["--memory", "2816M", "--cpus", "3", "--numa", "1536M,cpus=0-1", "--numa", "1280M,cpus=2"]
# quiet: as for hotkit. Without udev on this machine vng gives what the command says to its console
# alone, and shows that with --verbose only.
ARGS = "maxcpus=2 memmap=1023M$513M,255M$4609M nokaslr quiet"
RESERVED_MIB = 1023 + 255

kernel, program = sys.argv[1:]
done = subprocess.run(
    [program, "--run", kernel, "--verbose", "--disable-kvm", *MACHINE, "--append", ARGS,
     "--exec", "cat /proc/iomem"],
    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
)  # fmt: skip
ram = sum(
    int(last, 16) + 1 - int(first, 16)
    for first, last in re.findall(r"^(\w+)-(\w+) : System RAM\s*$", done.stdout, re.M)
)
# Its exit code says nothing here: that too comes through a port that only udev would name.
if not 0 <= 2816 - RESERVED_MIB - ram / 2**20 < 8:
    sys.exit(f"{ram / 2**20} MiB, vng ended with {done.returncode}: {done.stdout[-600:]}")
