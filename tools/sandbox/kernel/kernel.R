# The R side of the R kernel: evaluates a cell in the global environment and keeps its figures. It
# is loaded by r_shell.py, which has R inside its own process, so that a state of R is forked, limited
# and spoken with exactly like one of Python. What a cell prints goes to R's console, which r_shell.py
# takes over.

options(warn = 1, digits = 7, width = 100, max.print = 10000, menu.graphics = FALSE,
        device = function(...) {
          grDevices::png(file.path(troupe_figure_folder, "%05d.png"), width = 640, height = 480,
                         type = "cairo")
        })

troupe_figure_folder <- tempdir()

# The calls of the cell's own code, without those of R's handlers and of this file.
troupe_traceback <- function(calls) {
  text <- vapply(calls, function(call) paste(deparse(call, nlines = 1L)[1L]), "")
  start <- which(startsWith(text, "eval(expressions[["))
  if (length(start) > 0) text <- text[-seq_len(max(start))]
  text <- text[!startsWith(text, ".handleSimpleError(") & !startsWith(text, "h(simpleError(")]
  substr(utils::tail(text, 30L), 1L, 200L)
}

# character(0) for a cell that ran well, or the error's class, its message and the calls.
troupe_run <- function(code) {
  # R's own folder goes when any process forked from the same R ends by quit().
  troupe_figure_folder <<- tempfile("figures", tempdir(check = TRUE))
  dir.create(troupe_figure_folder)
  calls <- list()
  failure <- character(0)
  tryCatch(
    withCallingHandlers({
      expressions <- parse(text = code, keep.source = FALSE, encoding = "UTF-8")
      for (i in seq_along(expressions)) {
        result <- withVisible(eval(expressions[[i]], globalenv()))
        if (result$visible) {
          if (isS4(result$value)) methods::show(result$value) else print(result$value)
        }
      }
    }, error = function(e) calls <<- sys.calls()),
    error = function(e) {
      message <- tryCatch(conditionMessage(e), error = function(e) "an error without a message")
      failure <<- c(class(e)[1L], paste(message, collapse = "\n"), troupe_traceback(calls))
    },
    interrupt = function(e) failure <<- c("interrupt", "interrupted"))
  failure
}

# The files of the figures that the cell drew, in order.
troupe_figures <- function() {
  grDevices::graphics.off()
  files <- list.files(troupe_figure_folder, full.names = TRUE)
  files[file.size(files) > 0]
}

troupe_seed <- function(seed) set.seed(as.integer(seed))

quit <- function(...) stop("quit() would end the kernel: stop() ends a cell", call. = FALSE)
q <- quit

# Nobody answers.
readline <- function(prompt = "") stop("readline() has nobody to answer it here", call. = FALSE)
menu <- function(...) stop("menu() has nobody to answer it here", call. = FALSE)
