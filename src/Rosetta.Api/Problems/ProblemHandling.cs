using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Rosetta.Core.DeadLetters;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Api.Problems;

/// <summary>Turns every failure of a request, and every answer without a body, into a problem document. Stack traces go to the log only.</summary>
static partial class ProblemHandling
{
    public static void UseProblems(this IApplicationBuilder app)
    {
        var logger = app.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Rosetta.Api.Problems");
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context).ConfigureAwait(false);
                if (!context.Response.HasStarted && context.Response is { StatusCode: >= 400, ContentLength: null, ContentType: null })
                    await Problem.WriteAsync(context, context.Response.StatusCode, Explain(context)).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                // Nobody waits for the answer any more.
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                await AnswerAsync(context, e, logger).ConfigureAwait(false);
            }
        });
    }

    static Task AnswerAsync(HttpContext context, Exception exception, ILogger logger)
    {
        switch (exception)
        {
            case RequestProblemException e:
                return Problem.WriteAsync(context, e.Status, e.Message, e.Errors);
            case BadHttpRequestException e:
                return Problem.WriteAsync(context, e.StatusCode, e.Message);
            case ConfigDatabaseUnavailableException e:
                LogAway(logger, context.Request.Method, context.Request.Path, e.Message);
                return Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "The config database does not answer. Try again in a moment; pipelines go on meanwhile.");
            case DeadLetterStoreException e:
                LogAway(logger, context.Request.Method, context.Request.Path, e.Message);
                return Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, string.Join(' ', new[] { e.Fault.Reason, e.Fault.Remedy }.Where(t => t is not null)));
            case SecretKeyException e:
                LogFailed(logger, e, context.Request.Method, context.Request.Path);
                return Problem.WriteAsync(context, StatusCodes.Status500InternalServerError, e.Message);
            default:
                LogFailed(logger, exception, context.Request.Method, context.Request.Path);
                return Problem.WriteAsync(context, StatusCodes.Status500InternalServerError, "The request failed unexpectedly. The node's log has the reason.");
        }
    }

    static string Explain(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"There is nothing at {context.Request.Path}. The API is described at /docs.",
        StatusCodes.Status405MethodNotAllowed =>
            $"{context.Request.Method} is not possible here; allowed: {context.Response.Headers.Allow}. The API is described at /docs.",
        StatusCodes.Status415UnsupportedMediaType => "The body must be sent with Content-Type: application/json.",
        var status => $"The request was answered with status {status}.",
    };

    [LoggerMessage(100, LogLevel.Warning, "{Method} {Path} was answered 503: {Reason}")]
    static partial void LogAway(ILogger logger, string method, PathString path, string reason);

    [LoggerMessage(101, LogLevel.Error, "{Method} {Path} failed")]
    static partial void LogFailed(ILogger logger, Exception exception, string method, PathString path);
}
