/**
 * Labels that Calico itself gives, and the prefixes of those that endpoints inherit from their profiles.
 */
export const NAMESPACE_LABEL = 'projectcalico.org/namespace';
export const ORCHESTRATOR_LABEL = 'projectcalico.org/orchestrator';
export const SERVICE_ACCOUNT_LABEL = 'projectcalico.org/serviceaccount';
/** In a namespaceSelector or a serviceAccountSelector: the object's own name. */
export const NAME_LABEL = 'projectcalico.org/name';

/** Before each label of a namespace, and of a service account. */
export const NAMESPACE_LABEL_PREFIX = 'pcns.';
export const SERVICE_ACCOUNT_LABEL_PREFIX = 'pcsa.';
