# teaching.mk -- targets for who teaches with the course, or works on it. It is
# a part of the Makefile which `make handout` leaves out.

test-tools: all ## run the tests of the scripts
	@scripts/test --tools

test-grading: ## run the tests of labs, grading and handouts (minutes)
	@scripts/test tests/grading/*.bats

test-the-tests: all ## put known defects back, whose tests must fail (QUICK=1: some)
	@tests/broken/test-the-tests $(if $(QUICK),--sample)

test-labs: ## prove each lab: starter, solution, mutants (QUICK=1: some)
	@scripts/labs/teacher/test-labs $(if $(QUICK),--sample) $(LABS)

# Words with blanks or quotation marks come whole through the environment.
export SUBMISSIONS OUT LABS NN NAME

grade: ## SUBMISSIONS=dir [OUT=dir] [LABS=..] [AFRESH=1]: grade submissions
	@scripts/labs/teacher/grade $(if $(AFRESH),--afresh) $(if $(SUBMISSIONS),"$$SUBMISSIONS" $(if $(OUT),"$$OUT"))

handout: ## OUT=dir [FORMAT=gradescope|github]: the course without solutions
	@scripts/labs/teacher/handout $(if $(FORMAT),--$(FORMAT)) "$$OUT"

new-lab: ## NN=.. NAME=..: the template of a lab
	@scripts/labs/teacher/new-lab "$$NN" "$$NAME"

.PHONY: test-tools test-grading test-the-tests test-labs grade handout new-lab
