# Computes the main reference values from samples.csv.gz again, in R.
#
#   Rscript tests/reference/check.R > values.txt
#
# Needs lme4 and car. Not run by the tests: tests/analysis/test_reference.py compares our tables with
# reference.json, and this script is how a value in reference.json can be looked up independently.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
samples <- read.csv(gzfile(file.path(here, "samples.csv.gz")))
samples$valid <- samples$valid == "True"
valid <- samples[samples$valid, ]

article_means <- function(model) {
  rows <- valid[valid$model == model, ]
  tapply(rows$sentiment, factor(rows$article, levels = sort(unique(samples$article))), mean)
}

show <- function(...) cat(..., "\n", sep = " ")
number <- function(x) format(x, digits = 15)

pair <- function(a, b) {
  d <- article_means(a) - article_means(b)
  d <- d[!is.na(d)]
  show("pair", a, "minus", b, "articles", length(d))
  if (sd(round(d, 10)) > 0) {
    t <- t.test(d)
    show("  paired t", number(unname(t$statistic)), "p", number(t$p.value))
    show("  95 %", number(t$conf.int), "90 %", number(t.test(d, conf.level = .9)$conf.int))
    show("  tost p", number(max(t.test(d, mu = -.05, alternative = "greater")$p.value,
                                t.test(d, mu = .05, alternative = "less")$p.value)))
  }
  w <- t.test(valid$sentiment[valid$model == a], valid$sentiment[valid$model == b])
  show("  naive Welch t", number(unname(w$statistic)), "p", number(w$p.value))
  logs <- function(model) {
    rows <- samples[samples$model == model, ]
    tapply(log(rows$time_taken), rows$article, mean)
  }
  l <- t.test(logs(a) - logs(b))
  show("  latency ratio", number(exp(unname(l$estimate))), "95 %", number(exp(l$conf.int)))
}

family <- function(name) {
  rows <- valid[valid$family == name, ]
  models <- unique(rows$model)
  means <- sapply(models, article_means)
  means <- means[complete.cases(means), , drop = FALSE]
  show("family", name, "articles", nrow(means), "arms", ncol(means))
  long <- data.frame(y = as.vector(means), arm = gl(ncol(means), nrow(means)),
                     article = factor(rep(seq_len(nrow(means)), ncol(means))))
  print(summary(aov(y ~ arm + Error(article / arm), long)), digits = 12)
  if (ncol(means) > 2) {
    arm <- factor(models)
    fit <- lm(means ~ 1)
    print(summary(car::Anova(fit, idata = data.frame(arm), idesign = ~arm, type = 3), multivariate = FALSE))
  }
  print(friedman.test(round(means, 10)))
  print(summary(aov(sentiment ~ model, rows)), digits = 12)
  fit <- lme4::lmer(sentiment ~ model + (1 | article) + (1 | article:model), rows, REML = TRUE,
                    control = lme4::lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12)))
  print(as.data.frame(lme4::VarCorr(fit))[, c("grp", "vcov")], digits = 12)
  show("  reml loglik", number(as.numeric(logLik(fit))), "singular", lme4::isSingular(fit))
}

for (name in unique(samples$family)) {
  family(name)
  models <- unique(samples$model[samples$family == name])
  base <- models[grepl("fp16$", models)]
  for (model in setdiff(models, base)) pair(model, base)
}
