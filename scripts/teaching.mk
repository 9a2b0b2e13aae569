# teaching.mk -- targets for who teaches with the course, or works on it. It is
# a part of the Makefile which `make handout` leaves out.

test-tools: ## run the tests of the scripts
	@scripts/test --tools

test-grading: ## run the tests of labs, grading and handouts (minutes)
	@scripts/test tests/grading/*.bats

test-the-tests: all ## put each known defect back: its tests must fail
	@scripts/test-the-tests

test-labs: ## prove each lab: starter, solution, mutants (QUICK=1: some)
	@scripts/test-labs $(if $(QUICK),--sample) $(LABS)

bench: ## how fast the servers are, as ratios (QUICK=1: under a minute)
	@scripts/bench $(ROWS)

grade: ## SUBMISSIONS=dir [OUT=dir] [LABS=..]: grade what students handed in
	@LABS='$(LABS)' scripts/grade '$(SUBMISSIONS)' $(OUT)

handout: ## OUT=dir [FORMAT=gradescope|github]: the course without solutions
	@scripts/handout $(if $(FORMAT),--$(FORMAT)) '$(OUT)'

new-lab: ## NN=.. NAME=..: the template of a lab
	@scripts/new-lab '$(NN)' '$(NAME)'

.PHONY: test-tools test-grading test-the-tests test-labs bench grade handout new-lab
