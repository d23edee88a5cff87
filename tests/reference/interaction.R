# The two-way repeated measures behind interaction.csv, in R, on the two llama3 families.
#
#   Rscript tests/reference/interaction.R
#
# Needs car. Not run by the tests: tests/analysis/test_interaction.py holds what it printed (R 4.2.2,
# car 3.1-1).

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
samples <- read.csv(gzfile(file.path(here, "samples.csv.gz")))
valid <- samples[samples$valid == "True", ]
families <- c("llama3-instruct", "llama3-sentiment_analysis")
quants <- c("fp16", "q4_K_M", "q5_K_M", "q8_0")
articles <- sort(unique(valid$article))

cell <- function(family, quant) {
  rows <- valid[valid$family == family & valid$quantization == quant, ]
  tapply(rows$sentiment, factor(rows$article, levels = articles), mean)
}

design <- expand.grid(quant = quants, variant = families, stringsAsFactors = TRUE)
means <- mapply(cell, as.character(design$variant), as.character(design$quant))
long <- data.frame(y = as.vector(means), article = factor(rep(articles, nrow(design))),
                   quant = rep(design$quant, each = length(articles)),
                   variant = rep(design$variant, each = length(articles)))
print(summary(aov(y ~ variant * quant + Error(article / (variant * quant)), long)), digits = 15)

fit <- lm(means ~ 1)
tested <- summary(car::Anova(fit, idata = design, idesign = ~ variant * quant, type = 3),
                  multivariate = FALSE)
print(tested$univariate.tests[, ], digits = 15)
print(tested$pval.adjustments, digits = 15)
