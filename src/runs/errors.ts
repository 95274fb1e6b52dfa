/** @file Errors of runs: folders, locks, resuming, and engines that died. */
import { defineError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

export const runIsLive = defineError(
  'runs/is-live',
  (folder: string, pid: number, host: string | undefined, since: string) => ({
    message: `a run is going on in \`${folder}\` (process ${pid}${host === undefined ? '' : ` on ${host}`}, since ${since})`,
    place: { file: folder },
    help: 'wait for it, stop it with `tunery runs stop`, or choose another `output_dir`',
  }),
);

export const lockContended = defineError('runs/lock-contended', (folder: string) => ({
  message: `the lock of \`${folder}\` could not be taken: other commands keep starting on it`,
  place: { file: folder },
  help: 'start one run at a time on a folder',
}));

export const notRunning = defineError('runs/not-running', (folder: string) => ({
  message: `no run is going on in \`${folder}\``,
  place: { file: folder },
  help: 'name the `output_dir` of a running run; `tunery runs list` lists them',
}));

export const notARun = defineError('runs/not-a-run', (folder: string) => ({
  message: `\`${folder}\` is not the folder of a run`,
  place: { file: folder },
  help: 'name the `output_dir` of a run; `tunery runs list` lists those below `saves`',
}));

export const folderInUse = defineError('runs/folder-in-use', (folder: string, what: string) => ({
  message: `\`output_dir\` is \`${folder}\`, which already holds ${what}, and \`overwrite_output_dir\` is false`,
  place: { file: folder },
  help: 'set `overwrite_output_dir: true` to move it to `<output_dir>.bak-N` and start anew, `resume_from_checkpoint: true` to go on from its last checkpoint, or choose another `output_dir`',
}));

export const otherRun = defineError(
  'runs/other-run',
  (folder: string, differences: readonly string[], resuming: boolean) => ({
    message: `the run in \`${folder}\` is not this one: ${differences.join('; ')}`,
    place: { file: folder },
    help: resuming
      ? 'put back what was changed, or train anew: take `resume_from_checkpoint` out and set `overwrite_output_dir: true`, which moves the earlier run to `<output_dir>.bak-N`'
      : 'set `overwrite_output_dir: true` to move it to `<output_dir>.bak-N` and start anew, put back what was changed to go on from it (`resume_from_checkpoint: true`), or choose another `output_dir`',
  }),
);

export const cannotMoveAside = defineError(
  'runs/cannot-move',
  (folder: string, to: string, why: string) => ({
    message: `\`${folder}\` holds an earlier run, and it cannot be moved to \`${to}\`: ${why}`,
    place: { file: folder },
    help: 'move or rename it by hand, or choose another `output_dir`',
  }),
);

export const engineKilled = defineError(
  'runs/engine-killed',
  (signal: string, why: string, howToGoOn: string) => ({
    message: `the engine's process was ended by ${signal}${why}`,
    help: howToGoOn,
  }),
);

export const engineCrashed = defineError(
  'runs/engine-crashed',
  (code: number, said: string, howToGoOn: string) => ({
    message: `the engine's process ended with code ${code} and no result${said === '' ? '' : `; its last words were: ${said}`}`,
    help: howToGoOn,
  }),
);

export const engineSilent = defineError('runs/engine-silent', (what: string) => ({
  message: `the engine's process ended while ${what} was asked of it`,
  help: 'see the message before this one; ask again to start a new process',
}));

export const parentGone = defineError('runs/parent-gone', () => ({
  message: 'the command that started this run is gone, and the run was not started with `--detach`',
  help: 'run it again with `resume_from_checkpoint: true` to go on from the last checkpoint',
}));

export const noTorchEnvironment = defineError('torch/no-environment', () => ({
  message: '`engine: torch` needs a Python with PyTorch, transformers and PEFT, and none is known',
  help: '`tunery engine install` makes one in a folder of its own, `engine_python` names one that is there, and without `engine: torch` the native engine trains with none',
}));

export const noSuchPython = defineError('torch/no-python', (key: string, path: string) => ({
  message: `\`${key}\` is \`${path}\`, and that is no file`,
  place: { file: path },
  help: 'name the Python itself, as `/path/to/venv/bin/python`',
}));

export const rankFailed = defineError(
  'torch/rank-failed',
  (rank: number, what: string, log: string) => ({
    message: `rank ${rank} of the torch engine has failed: ${what}`,
    place: { file: log },
    help: 'its log has all that it said; run it again with `resume_from_checkpoint: true` to go on from the last checkpoint',
  }),
);

const gpuHelp =
  '`tunery engine check` lists the GPUs that PyTorch sees; CUDA_VISIBLE_DEVICES chooses among them, and `use_cpu: true` leaves them alone';

export const tooFewGpus = defineError('torch/too-few-gpus', (wanted: number, there: number) => ({
  message: `\`nproc_per_node\` is ${wanted}, and this machine has ${there === 1 ? 'one GPU' : `${there} GPUs`}: each process needs one of its own`,
  help: `leave \`nproc_per_node\` out to take all that are there; ${gpuHelp}`,
}));

export const noGpu = defineError('torch/no-gpu', (what: string, log: string) => ({
  message: what,
  place: { file: log },
  help: gpuHelp,
}));

export const rankOutOfMemory = defineError(
  'torch/out-of-memory',
  (rank: number, what: string, log: string) => ({
    message: `rank ${rank} of the torch engine has no memory left: ${what}`,
    place: { file: log },
    help: 'lower `micro_batch_tokens`, set `gradient_checkpointing: true`, shard with `fsdp: full_shard`, or use LoRA; then go on with `resume_from_checkpoint: true`',
  }),
);

export const deepspeedRefused = defineError('torch/deepspeed', (file: string, why: string) => ({
  message: `\`deepspeed\` is \`${file}\`: ${why}`,
  place: { file },
  help: 'name a DeepSpeed configuration, a JSON file',
}));

export const deepspeedConflict = defineError(
  'torch/deepspeed-conflict',
  (file: string, key: string, written: string, but: string) => ({
    message: `\`${key}\` is ${written} in the DeepSpeed file, and ${but}`,
    place: { file, key },
    help: `make them equal, or write \`"${key}": "auto"\`, which follows the settings`,
  }),
);

export const accelerateRefused = defineError('torch/fsdp-config', (file: string, why: string) => ({
  message: `\`fsdp_config\` is \`${file}\`: ${why}`,
  place: { file },
  help: "name accelerate's configuration file, or write Hugging Face's `fsdp_config` as a map; or leave it out and set `fsdp` and `nproc_per_node`",
}));

export const accelerateConflict = defineError(
  'torch/fsdp-config-conflict',
  (file: string, key: string, written: string, but: string) => ({
    message: `\`${key}\` is ${written} in accelerate's file, and ${but}`,
    place: { file, key },
    help: 'make them equal: what a run computes in is its own setting',
  }),
);

export const environmentNoDisk = defineError(
  'torch/no-disk',
  (folder: string, needed: number, free: number) => ({
    message: `PyTorch and its kin take ${formatBytes(needed)} in \`${folder}\`, and ${formatBytes(free)} are free`,
    place: { file: folder },
    help: 'free space, or set TUNERY_CACHE to a folder on another disk; what was fetched so far is not lost',
  }),
);

export const noPythonForTorch = defineError('torch/no-system-python', (tried: string) => ({
  message: `PyTorch needs Python 3.11 to 3.13 to be installed, and none was found: ${tried}`,
  help: 'install one (`apt-get install python3.12 python3.12-venv`, `brew install python@3.12`), or name it with `--python`',
}));

export const noVenv = defineError('torch/no-venv', (python: string) => ({
  message: `\`${python}\` cannot make environments: its \`venv\` is not installed`,
  help: 'install it (`apt-get install python3-venv`), or name another Python with `--python`',
}));

export const noNetwork = defineError('torch/no-network', (why: string) => ({
  message: `the package index could not be reached: ${why}`,
  help: 'run it again when the network is there: what was fetched stays. Without a network: `pip download -r workers/torch/locks/base.lock -r workers/torch/locks/uv.lock -d wheels` elsewhere, and `tunery engine install --wheels wheels` here',
}));

export const environmentNotMade = defineError('torch/not-installed', (said: string) => ({
  message: `the environment could not be made; the installer's last words:\n${said}`,
  help: 'nothing was changed; run it again, or set `engine_python` to a Python that has PyTorch already',
}));

export const lackingWheels = defineError(
  'torch/no-wheels',
  (folder: string, what: string, locks: readonly string[]) => ({
    message: `the environment cannot be made from the wheels of \`${folder}\`: ${what}`,
    place: { file: folder },
    help: `on a machine with a network and the same system and Python, fill it with \`python3 -m pip download --require-hashes --no-deps ${locks.map((path) => `-r ${path}`).join(' ')} -d FOLDER\``,
  }),
);

export const brokenEnvironment = defineError(
  'torch/broken-environment',
  (python: string, what: string) => ({
    message: `\`${python}\` cannot run the torch engine: ${what}`,
    place: { file: python },
    help: '`tunery engine check` says what is missing and `tunery engine install` makes its environment anew; for a Python of your own, install it with its pip',
  }),
);

export const noMaster = defineError('torch/no-master', (missing: string) => ({
  message: `several machines are to train together, and \`${missing}\` is not set`,
  help: 'set `master_addr` and `master_port` to the address of machine 0 and a free port there (the one after it is used too), the same on all machines; `node_rank` numbers them from 0',
}));

export const nodeLost = defineError('torch/node-lost', (name: string, why: string) => ({
  message: `${name} is lost: ${why}`,
  help: 'see what happened there, start all machines again with `resume_from_checkpoint: true`, and they go on from the last checkpoint',
}));

export const nodesDiffer = defineError('torch/nodes-differ', (name: string) => ({
  message: `${name} has other rows, another model or other settings than this one`,
  help: 'all machines need the same file, the same data and the same version of Tunery',
}));

export const noVllm = defineError('vllm/no-environment', () => ({
  message: '`infer_backend: vllm` needs a Python that has vLLM, and `vllm_python` names none',
  help: 'vLLM wants an environment of its own: `python3 -m venv vllm && vllm/bin/pip install vllm`, then `vllm_python: vllm/bin/python` (docs/scale.md; there is what a CPU needs)',
}));

export const brokenVllm = defineError(
  'vllm/broken-environment',
  (python: string, what: string) => ({
    message: `\`${python}\` cannot run vLLM: ${what}`,
    place: { file: python },
    help: 'name in `vllm_python` the Python of an environment in which `pip install vllm` has ended well; docs/scale.md has the steps',
  }),
);

export const severalForVllm = defineError('vllm/several-adapters', () => ({
  message: 'vLLM puts one adapter beside the model, and `adapter_name_or_path` names several',
  help: 'merge those before the last with `tunery export`, and serve the last on the result; or use `infer_backend: torch` or `native`',
}));

/** The code begins with `runs/`: nothing more can be asked of the session. */
export const backendFailed = defineError(
  'runs/backend-failed',
  (backend: string, what: string, log: string) => ({
    message: `\`infer_backend: ${backend}\` has failed: ${what}`,
    place: { file: log },
    help: 'the log has all that it said; `infer_backend: native` needs none of it',
  }),
);

export const backendOutOfMemory = defineError(
  'runs/backend-out-of-memory',
  (backend: string, what: string, log: string) => ({
    message: `\`infer_backend: ${backend}\` has no memory left: ${what}`,
    place: { file: log },
    help:
      backend === 'vllm'
        ? 'lower `vllm_maxlen` or `kv_cache_memory`, raise `vllm_gpu_util` where the GPU is free, or share the model among GPUs with `vllm_config: {"tensor_parallel_size": 2}`'
        : 'lower `max_num_seqs`, set `infer_dtype: bfloat16` or `quantization_bit: 4`, or use a smaller model',
  }),
);

/** One call failed; the session goes on. */
export const callFailed = defineError('infer/failed', (backend: string, what: string) => ({
  message: `\`infer_backend: ${backend}\` could not answer: ${what}`,
  help: 'where memory was short, ask for fewer or shorter replies at once, or lower `max_num_seqs`; other requests go on',
}));
