using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Rosetta.Api.Pipelines;

/// <summary>The <c>{table}</c> of a path. Taken from the request line: the decoded path cannot tell a slash in a name from one between segments.</summary>
static class TableSegment
{
    /// <summary>The last segment but one.</summary>
    public static string Of(HttpContext context)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget is { Length: > 0 } raw ? raw : context.Request.Path.Value!;
        var segments = target.Split('?', 2)[0].TrimEnd('/').Split('/');
        return Uri.UnescapeDataString(segments[^2]);
    }
}
