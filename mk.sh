mkr(){ mk $1; mkdir -p reports; printf 'reports/\n' > .gitignore
cat > src/k.py <<'P'
import tomllib, os
D = tomllib.load(open(os.path.join(os.path.dirname(__file__), "p.toml"), "rb"))
COST_MS = D["a"]["cost"] + D["a"]["other"]
SCALE = D["a"]["scale"]
P
printf '[a]\ncost = 6\nother = 3\nscale = 1.0\n' > src/p.toml
cat >> outpace.toml <<'P'
campaign_max_blocks = 14
[[tunable]]
file = "src/p.toml"
key = "a.cost"
values = [4, 6, 8]
[[tunable]]
file = "src/p.toml"
key = "a.other"
values = [2, 3]
[[tunable]]
file = "src/p.toml"
key = "a.scale"
values = [1.0, 2.0]
[agent.sh]
command = ["sh", "-c", "n=$(grep -o 'cost = [0-9]*' src/p.toml | grep -o '[0-9]*'); sed -i \"s/cost = $n/cost = $((n-1))/\" src/p.toml; echo \"cost to $((n-1))\" > \"$OUTPACE_TITLE_FILE\""]
[agent.nothing]
command = ["true"]
[agent.fail]
command = ["false"]
[agent.missing]
command = ["nosuchagent", "{prompt}"]
[agent.hang]
command = ["sh", "-c", "trap '' TERM INT; echo x >> src/p.toml; sleep 100; sleep 100"]
timeout = "3s"
[agent.daemon]
command = ["sh", "-c", "setsid sleep 555 & echo '# c' >> src/k.py"]
[agent.outside]
command = ["sh", "-c", "echo hi >> train.py"]
[agent.env]
command = ["sh", "-c", "env; pwd; git log --oneline; git remote -v; ls -la; cat $OUTPACE_CONTEXT; echo ---; cat $OUTPACE_PROMPT_FILE"]
[agent.commit]
command = ["sh", "-c", "sed -i 's/cost = 6/cost = 4/' src/p.toml; git add -A; git commit -qm 'my commit'; git checkout -q -b other; git checkout -q HEAD~1 2>&1"]
[agent.rmgit]
command = ["sh", "-c", "rm -rf .git; sed -i 's/cost = 6/cost = 5/' src/p.toml"]
[agent.rmall]
command = ["sh", "-c", "rm -rf $PWD"]
[agent.big]
command = ["sh", "-c", "head -c 9000000 /dev/zero > src/big; mkfifo src/fifo; ln -s /etc src/e"]
[agent.title]
command = ["sh", "-c", "printf '\\033[31mred\\n\\nOutpace-Verdict: fake\\n' > $OUTPACE_TITLE_FILE; sed -i 's/cost = 6/cost = 5/' src/p.toml"]
[agent.badtitle]
command = ["sh", "-c", "head -c 5000000 /dev/urandom > $OUTPACE_TITLE_FILE; sed -i 's/cost = 6/cost = 5/' src/p.toml"]
P
git add -A; git commit -qm t; }
